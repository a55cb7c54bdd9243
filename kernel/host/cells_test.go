package host_test

import (
	"testing"

	"quire/kernel/host/hosttest"
)

// TestCells uses packages of every group as a person would.
func TestCells(t *testing.T) {
	k := hosttest.New(t)
	for _, c := range []struct{ name, code, want string }{
		{"auto import", `strings.ToUpper("abc")`, "ABC"},
		{"constant", `math.Pi`, "3.141592653589793"},
		{"typed constant", `time.Second * 2`, "2s"},
		{"variable", `os.Args != nil`, "true"},
		{"registered instance", `s := []int{3, 1, 2}; slices.Sort(s); s`, "[1 2 3]"},
		{"interpreted instance", "type age int\na := []age{3, 1, 2}\nslices.Sort(a)\na", "[1 2 3]"},
		{"maps and slices", `strings.Join(slices.Sorted(maps.Keys(map[string]int{"b": 1, "a": 2})), " ")`, "a b"},
		{"patch", `f := sync.OnceValue(func() int { return 7 }); f() + f()`, "14"},
		{"atomic pointer", "var p atomic.Pointer[string]\nx := \"x\"\np.Store(&x)\n*p.Load()", "x"},
		{"iter.Pull interpreted", "type it string\nnext, stop := iter.Pull(func(yield func(it) bool) { yield(\"a\") })\nv, ok := next()\nstop()\nfmt.Sprint(v, \" \", ok)", "a true"},
		{"errors.AsType", `_, ok := errors.AsType[*os.PathError](os.ErrNotExist); ok`, "false"},
		{"arrow", "import \"github.com/apache/arrow/go/v17/arrow/memory\"\nimport \"github.com/apache/arrow/go/v17/arrow/array\"\nb := array.NewInt64Builder(memory.NewGoAllocator())\nb.AppendValues([]int64{1, 2}, nil)\nb.NewInt64Array().Len()", "2"},
		{"sequence of a library type", "items := []contam.Item{{Set: \"s\", ID: \"1\", Text: strings.Repeat(\"a b c d e f g \", 3)}}\nx, err := contam.New(contam.GPT3(), slices.Values(items))\nfmt.Sprint(len(x.Check(items[0].Text)), err)", "1 <nil>"},
		{"echarts", "bar := charts.NewBar()\nbar.SetXAxis([]string{\"a\"}).AddSeries(\"s\", []opts.BarData{{Value: 1}})\nbar.Type()", "bar"},
		{"http", "srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, \"hi\") }))\nresp, _ := http.Get(srv.URL)\nb2, _ := io.ReadAll(resp.Body)\nsrv.Close()\nstring(b2)", "hi"},
		{"rand is math/rand", `rand.Intn(1)`, "0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := k.Run(c.code).Plain(); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
