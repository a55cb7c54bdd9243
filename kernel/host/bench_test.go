package host_test

import (
	"testing"

	"quire/kernel/host"
	"quire/kernel/host/hosttest"
)

// BenchmarkNewSession is a second session of a process: registration is paid once, by the first.
func BenchmarkNewSession(b *testing.B) {
	for b.Loop() {
		s, err := host.NewSession()
		if err != nil {
			b.Fatal(err)
		}
		s.Close()
	}
}

// BenchmarkCell is a cell that touches packages of each kind, after the first that did.
func BenchmarkCell(b *testing.B) {
	for _, c := range []struct{ name, code string }{
		{"fmt", `fmt.Sprint(1)`},
		{"http", `http.StatusText(404)`},
		{"slices-registered", `slices.Max([]int{1, 2, 3})`},
		{"slices-interpreted", "type age int\nslices.Max([]age{1, 2, 3})"},
		{"echarts", "bar := charts.NewBar()\nbar.SetXAxis([]string{\"a\"}).AddSeries(\"s\", []opts.BarData{{Value: 1}})\n_ = bar"},
		{"arrow", "import \"github.com/apache/arrow/go/v17/arrow/array\"\nimport \"github.com/apache/arrow/go/v17/arrow/memory\"\nib := array.NewInt64Builder(memory.NewGoAllocator())\nib.AppendValues([]int64{1, 2}, nil)\n_ = ib.NewInt64Array().Len()"},
	} {
		b.Run(c.name, func(b *testing.B) {
			k := hosttest.New(b)
			k.Run(c.code)
			for b.Loop() {
				k.Run(c.code)
			}
		})
	}
}
