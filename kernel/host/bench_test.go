package host_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"quire/kernel/host"
	"quire/kernel/link"
)

// nobody is a front end that drops everything.
type nobody struct{ link.Events }

func (nobody) Stream(_, _, _ string)            {}
func (nobody) Display(_ string, _ link.Display) {}

// BenchmarkCell is what a cell costs that touches the types of a library, in a session with all packages.
func BenchmarkCell(b *testing.B) {
	s, err := host.NewSession()
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	count := 0
	run := func(code string) {
		count++
		if r := s.Execute(context.Background(), link.Execute{Cell: fmt.Sprint(count), Count: count, Code: code}, nobody{}); r.Err != nil {
			b.Fatal(r.Err)
		}
	}
	run("import \"github.com/apache/arrow/go/v17/arrow/memory\"\nimport \"github.com/apache/arrow/go/v17/arrow/array\"\nbar := charts.NewBar()\nxs := []int{3, 1, 2}")
	for _, bm := range []struct{ name, code string }{
		{"trivial", "x := 1"},
		{"chart", "bar := charts.NewBar()\nbar.SetXAxis([]string{\"a\"}).AddSeries(\"s\", []opts.BarData{{Value: 1}})\nbar.Type()"},
		{"arrow", "ab := array.NewInt64Builder(memory.NewGoAllocator())\nab.AppendValues([]int64{1, 2}, nil)\nab.NewInt64Array().Len()"},
		{"slices", "slices.Sort(xs)\nslices.Contains(xs, 2)"},
		{"interpreted-slices", "type age int\nages := []age{3, 1, 2}\nslices.Sort(ages)"},
	} {
		b.Run(bm.name, func(b *testing.B) {
			run(bm.code)
			var all []time.Duration
			for b.Loop() {
				start := time.Now()
				run(bm.code)
				all = append(all, time.Since(start))
			}
			slices.Sort(all)
			b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "median-ms/cell")
		})
	}
}

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
