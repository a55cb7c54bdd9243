package native_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/janpfeifer/gonb/gonbui/protocol"

	"quire/kernel/host/hosttest"
	"quire/kernel/link"
	"quire/kernel/native"
)

// TestPrograms runs %% cells that build on each other, as in GoNB, with arguments and flags.
func TestPrograms(t *testing.T) {
	needCompiler(t)
	k := hosttest.New(t)
	k.Run("func fromSession(x int) int { return helper(x) }\nfunc helper(x int) int { return x + scale }\nconst scale = 100")
	k.Run("%%main\nimport \"strings\"\ntype pair struct { a, b int }\nfunc (p pair) sum() int { return p.a + p.b }\nfunc shout(s string) string { return strings.ToUpper(s) }")
	if out := k.Run("%%\nx := pair{1, 2}\nfmt.Println(shout(\"hi\"), x.sum(), fromSession(1))").Stdout; out != "HI 3 101\n" {
		t.Errorf("program printed %q", out)
	}
	k.Run("%%main\nfunc shout(s string) string { return s + \"!\" }")
	k.Run("%args -n 3 'two words'")
	if out := k.Run("%%\nfmt.Println(shout(\"hi\"), strings.Join(os.Args[1:], \"|\"))").Stdout; out != "hi! -n|3|two words\n" {
		t.Errorf("program with arguments printed %q", out)
	}
	if out := k.Run("%%main own\nfunc main() { fmt.Println(os.Args[1], flag.CommandLine.NArg()) }").Stdout; out != "own 0\n" {
		t.Errorf("program with own main printed %q", out)
	}
	k.Run("live := 1")
	e := k.Fail("%%\nfmt.Println(live)", "live is a variable of the session")
	if !strings.HasPrefix(e.Traceback[0], "cell[9]:2:13: ") {
		t.Errorf("placed at %q", e.Traceback)
	}
	e = k.Fail("%%\n\nvar x int = \"s\"\n_ = x", "cannot use \"s\"")
	if !strings.HasPrefix(e.Traceback[0], "cell[10]:3:13: ") {
		t.Errorf("placed at %q", e.Traceback)
	}
	k.Fail("%%\nos.Exit(3)", "exit status 3")
	k.Fail("%goflags nonsense", "is no flag")
	if out := k.Run("%goflags -tags=special\n%goflags").Stdout; out != "go build flags: -tags=special\n" {
		t.Errorf("%%goflags printed %q", out)
	}
	if out := k.Run("%goflags \"\"\n%args\n%%\nfmt.Println(len(os.Args))").Stdout; out != "1\n" {
		t.Errorf("behind other magics: %q", out)
	}
}

// TestTests runs tests and benchmarks of cells, and fails with them.
func TestTests(t *testing.T) {
	needCompiler(t)
	k := hosttest.New(t)
	k.Run("func Double(x int) int { return 2 * x }")
	r := k.Run("%%test\nfunc TestDouble(t *testing.T) {\n\tif Double(2) != 4 { t.Error(\"no\") }\n}\nfunc ExampleDouble() {\n\tfmt.Println(Double(1))\n\t// Output: 2\n}")
	if !strings.Contains(r.Stdout, "--- PASS: TestDouble") || !strings.Contains(r.Stdout, "--- PASS: ExampleDouble") {
		t.Errorf("%%%%test printed %q", r.Stdout)
	}
	bad := k.Try("%test\nfunc TestBad(t *testing.T) {\n\n\tt.Error(\"wrong\")\n}")
	if bad.Err == nil || !strings.Contains(bad.Stdout, "cell[3]:4: wrong") || strings.Contains(bad.Stdout, "TestDouble") {
		t.Errorf("failing test: %v, %q", bad.Err, bad.Stdout)
	}
	if out := k.Run("%%test -run TestDouble").Stdout; !strings.Contains(out, "--- PASS: TestDouble") {
		t.Errorf("chosen test printed %q", out)
	}
	k.Fail("%%test\nfunc helper2() {}", "the cell declares no test function")
	if out := k.Run("%%bench -benchtime 10x\nfunc BenchmarkDouble(b *testing.B) { for b.Loop() { Double(3) } }").Stdout; !strings.Contains(out, "allocs/op") || !strings.Contains(out, "BenchmarkDouble") {
		t.Errorf("%%%%bench printed %q", out)
	}
}

// TestGonbui displays, updates and asks through gonbui, and talks to a widget.
func TestGonbui(t *testing.T) {
	needCompiler(t)
	k := hosttest.New(t)
	r := k.Run(`%%
gonbui.DisplayMarkdown("*text*")
gonbui.DisplayHTML("<b>html</b>")
gonbui.UpdateHTML("id1", "one")
gonbui.UpdateHTML("id1", "two")
gonbui.Sync()
fmt.Println("after")`)
	var got []string
	for _, d := range r.Displays {
		for media, v := range d.Data {
			got = append(got, media+"="+v.(string)+map[bool]string{true: " update"}[d.Update]+d.ID)
		}
	}
	want := "text/markdown=*text* text/html=<b>html</b> text/html=oneid1 text/html=two updateid1"
	if strings.Join(got, " ") != want || r.Stdout != "after\n" {
		t.Errorf("displayed %q, printed %q; want %q", got, r.Stdout, want)
	}
	k.Answers = []string{"Ada", "second"}
	r = k.Run("%%\ngonbui.RequestInput(\"name? \", false)\nvar a, b string\nfmt.Scanln(&a)\nfmt.Scanln(&b)\nfmt.Println(a, b)")
	if r.Stdout != "Ada second\n" || len(r.Prompts) != 2 || r.Prompts[0] != "name? " {
		t.Errorf("input: printed %q, asked %q", r.Stdout, r.Prompts)
	}
	k.Answers = []string{"forced"}
	if out := k.Run("%with_inputs\n%%\nvar a string\nfmt.Scanln(&a)\nfmt.Println(a)").Stdout; out != "forced\n" {
		t.Errorf("%%with_inputs: printed %q", out)
	}
	if out := k.Run("%%\nb, err := io.ReadAll(os.Stdin)\nfmt.Println(len(b), err)").Stdout; out != "0 <nil>\n" {
		t.Errorf("without an answer: printed %q", out)
	}
	bad := k.Run("%%\ntype odd struct{ X int }\ngob.Register(odd{})\ngonbui.SendData(&protocol.DisplayData{Data: map[protocol.MIMEType]any{\"x/y\": odd{1}}})\nfmt.Println(\"still runs\")")
	if !strings.Contains(bad.Stderr, "gonbui: cannot read what the program shows") || bad.Stdout != "still runs\n" {
		t.Errorf("unregistered type: stderr %q, stdout %q", bad.Stderr, bad.Stdout)
	}
}

// TestComms carries values between a program and the front end.
func TestComms(t *testing.T) {
	needCompiler(t)
	t.Setenv(protocol.GONB_JUPYTER_KERNEL_ID_ENV, "some-kernel")
	k := hosttest.New(t)
	done := make(chan *hosttest.Result)
	go func() {
		done <- k.Try(`%%
import "github.com/janpfeifer/gonb/gonbui/comms"
got := make(chan int)
comms.Subscribe("/n", func(_ string, v int) { got <- v })
comms.Send("/ready", 1)
select {
case v := <-got:
	fmt.Println("got", v)
case <-time.After(5 * time.Minute):
	fmt.Println("nothing came")
}`)
	}()
	openPage(t, k, "p")
	sent := waitSent(t, k, 1)[0]
	var v struct {
		Address string
		Value   int
	}
	if err := json.Unmarshal(sent.Data, &v); err != nil || sent.Op != "msg" || sent.ID != "p" || v.Address != "/ready" || v.Value != 1 {
		t.Errorf("program sent %+v (%v)", sent, err)
	}
	k.Session.Comm(link.Comm{Op: "msg", ID: "p", Data: json.RawMessage(`{"address": "/n", "value": 42}`)}, k)
	if r := <-done; r.Err != nil || r.Stdout != "got 42\n" {
		t.Errorf("program: %v, printed %q, stderr %q", r.Err, r.Stdout, r.Stderr)
	}
}

// openPage answers the script of the page's half as a page does, when it is shown.
func openPage(t *testing.T, k *hosttest.Kit, comm string) {
	t.Helper()
	for range 12000 {
		for _, d := range k.Shown() {
			if html, _ := d.Data["text/html"].(string); strings.Contains(html, "gonb_comm") && strings.HasSuffix(html, `("some-kernel")</script>`) {
				k.Session.Comm(link.Comm{Op: "open", ID: comm, Target: native.CommTarget}, k)
				return
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the page's script was not shown")
}

// waitSent waits until the running cell has sent n comm messages.
func waitSent(t *testing.T, k *hosttest.Kit, n int) []link.Comm {
	t.Helper()
	for range 12000 {
		if sent := k.Sent(); len(sent) >= n {
			return sent
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("the program sent %d comm messages, want %d", len(k.Sent()), n)
	return nil
}

// TestProgramInterrupt ends a running program.
func TestProgramInterrupt(t *testing.T) {
	needCompiler(t)
	k := hosttest.New(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan *hosttest.Result)
	go func() { done <- k.TryContext(ctx, "%%\nfmt.Println(\"begun\")\ntime.Sleep(time.Hour)") }()
	k.WaitPrinted("begun\n")
	cancel()
	if r := <-done; r.Err == nil || r.Err.Name != "Interrupt" {
		t.Error(r.Err)
	}
}

// TestNoPage says in one line that widgets do not work where no page can answer, and lets the program go on.
func TestNoPage(t *testing.T) {
	needCompiler(t)
	t.Setenv(protocol.GONB_JUPYTER_KERNEL_ID_ENV, "")
	k := hosttest.New(t)
	r := k.Run("%%\nimport \"github.com/janpfeifer/gonb/gonbui/comms\"\ncomms.Send(\"/a\", 1)\ncomms.Send(\"/b\", 1)\ngonbui.Sync()\nfmt.Println(\"after\")")
	if r.Stdout != "after\n" || strings.Count(r.Stderr, "\n") != 1 || !strings.HasPrefix(r.Stderr, "gonbui: no page answers") || len(r.Displays)+len(r.Comms) > 0 {
		t.Errorf("printed %q, stderr %q, displayed %v, sent %v", r.Stdout, r.Stderr, r.Displays, r.Comms)
	}
}

// TestShowInProgram shows values of lib/show, which a program sends through gonbui's pipe.
func TestShowInProgram(t *testing.T) {
	needCompiler(t)
	k := hosttest.New(t)
	r := k.Run(`%%
import "quire/lib/show"
show.Display(show.Line([]float64{1, 4, 9}), show.JSON(map[string]int{"n": 1}))
for range show.Progress(slices.Values([]int{1, 2, 3}), 3, "count") {
}
show.Display(show.Slider("size", 0, 10, 3))
fmt.Println("after")`)
	shown, err := json.Marshal(r.Displays)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"quire-library", "quire-chart", "image/svg+xml", `"application/json":{"n":1}`, "3/3 it", `"text/plain":"size: 3"`} {
		if !strings.Contains(string(shown), want) {
			t.Errorf("no display holds %s", want)
		}
	}
	if r.Stdout != "after\n" || r.Stderr != "" {
		t.Errorf("printed %q, stderr %q", r.Stdout, r.Stderr)
	}
}
