package session

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// BenchmarkCell is what a cell costs in the engine alone.
func BenchmarkCell(b *testing.B) {
	for _, bm := range []struct{ name, setup, code string }{
		{"trivial", "x := 1", "x + 1"},
		{"assign", "", "y := 3"},
		{"print", "x := 1", "fmt.Println(x)"},
		{"func", "", "func f(a, b int) int { return a*b + 1 }\nf(2, 3)"},
		{"type", "", "type T struct{ A, B int }\nfunc (t T) Sum() int { return t.A + t.B }\nT{1, 2}.Sum()"},
	} {
		b.Run(bm.name, func(b *testing.B) {
			n := newNotebook(b)
			n.exec(bm.setup)
			n.exec(bm.code)
			var all []time.Duration
			for b.Loop() {
				start := time.Now()
				if r := n.exec(bm.code); r.Err != nil {
					b.Fatal(r.Err)
				}
				all = append(all, time.Since(start))
			}
			slices.Sort(all)
			b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "median-ms/cell")
		})
	}
}

// BenchmarkThousandCells compares the first hundred of 1,000 different cells with the last.
func BenchmarkThousandCells(b *testing.B) {
	for b.Loop() {
		n := newNotebook(b)
		var all []time.Duration
		for i := range 1000 {
			start := time.Now()
			if r := n.exec(fmt.Sprintf("v%d := %d\nfunc f%d(n int) int { return n + v%d }\nf%d(1)", i, i, i, i, i)); r.Err != nil {
				b.Fatal(r.Err)
			}
			all = append(all, time.Since(start))
		}
		median := func(d []time.Duration) float64 {
			d = slices.Sorted(slices.Values(d))
			return float64(d[len(d)/2].Microseconds()) / 1000
		}
		b.ReportMetric(median(all[:100]), "first-ms/cell")
		b.ReportMetric(median(all[900:]), "last-ms/cell")
	}
}

// BenchmarkPrintln is 200,000 lines of a cell's loop.
func BenchmarkPrintln(b *testing.B) {
	n := newNotebook(b)
	messages := 0
	for b.Loop() {
		n.out.streams = 0
		if r := n.exec("for i := range 200_000 { fmt.Println(i) }"); r.Err != nil {
			b.Fatal(r.Err)
		}
		messages = max(messages, n.out.streams)
		if strings.Count(n.out.take(), "\n") != 200_000 {
			b.Fatal("lines were lost")
		}
	}
	b.ReportMetric(float64(messages), "messages")
	b.ReportMetric(200_000*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}

// BenchmarkInterrupt is the time from the interrupt of an endless loop to the end of its cell.
func BenchmarkInterrupt(b *testing.B) {
	n := newNotebook(b)
	n.exec("kept := 1")
	var worst time.Duration
	for b.Loop() {
		ctx, cancel := context.WithCancel(context.Background())
		var at time.Time
		time.AfterFunc(20*time.Millisecond, func() { at = time.Now(); cancel() })
		r := n.execCtx(ctx, "for { kept++ }")
		worst = max(worst, time.Since(at))
		if r.Err == nil || r.Err.Name != "Interrupt" {
			b.Fatal(r.Err)
		}
	}
	b.ReportMetric(float64(worst.Microseconds())/1000, "worst-ms")
}

// BenchmarkLoop is the speed of interpreted code.
func BenchmarkLoop(b *testing.B) {
	n := newNotebook(b)
	n.exec("func fib(n int) int { if n < 2 { return n }; return fib(n-1) + fib(n-2) }")
	b.Run("for", func(b *testing.B) {
		for b.Loop() {
			n.exec("s := 0\nfor i := 0; i < 1_000_000; i++ { s += i }")
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1e6, "ns/turn")
	})
	b.Run("fib", func(b *testing.B) {
		for b.Loop() {
			n.exec("func fib(n int) int { if n < 2 { return n }; return fib(n-1) + fib(n-2) }\nfib(20)")
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/21891, "ns/call")
	})
}
