package native_test

import (
	"fmt"
	"testing"
	"time"

	"quire/kernel/host/hosttest"
)

// BenchmarkNativeCell is a warm %%native cell with new text each time: compile, link, load, run.
func BenchmarkNativeCell(b *testing.B) {
	needCompiler(b)
	k := hosttest.New(b)
	k.Run("xs := []float64{1, 2, 3}")
	n := 0
	cell := func() {
		n++
		k.Run(fmt.Sprintf("%%%%native\nsum%d := 0.0\nfor _, x := range xs { sum%d += x * %d }\nfmt.Println(sum%d)", n, n, n, n))
	}
	cell()
	start := time.Now()
	for b.Loop() {
		cell()
	}
	b.ReportMetric(float64(time.Since(start).Milliseconds())/float64(b.N), "ms/cell")
}

// BenchmarkProgramCell is a warm %% cell: compile, link, run as a process.
func BenchmarkProgramCell(b *testing.B) {
	needCompiler(b)
	k := hosttest.New(b)
	n := 0
	cell := func() {
		n++
		k.Run(fmt.Sprintf("%%%%\nfmt.Println(%d)", n))
	}
	cell()
	start := time.Now()
	for b.Loop() {
		cell()
	}
	b.ReportMetric(float64(time.Since(start).Milliseconds())/float64(b.N), "ms/cell")
}
