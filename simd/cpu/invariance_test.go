package cpu

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"quire/simd/dtype"
	"quire/simd/tensor"
)

// TestRowBitsDoNotDependOnBatch multiplies one row alone and among others, on one thread and on three, packed and unpacked: always the same bits.
func TestRowBitsDoNotDependOnBatch(t *testing.T) {
	const n, k, rows = 100, 1280, 67
	eachLevel(t, func(t *testing.T, ks kernels) {
		for _, types := range [][2]dtype.Type{{dtype.F32, dtype.F32}, {dtype.BF16, dtype.BF16}, {dtype.F32, dtype.BF16}, {dtype.F32, dtype.F16}, {dtype.F32, dtype.Q8_0}, {dtype.F32, dtype.Q4_0},
			{dtype.F32, dtype.Q4_1}, {dtype.F32, dtype.Q5_0}, {dtype.F32, dtype.Q5_1}, {dtype.F32, dtype.Q4_K}, {dtype.F32, dtype.Q5_K}, {dtype.F32, dtype.Q6_K}, {dtype.F32, dtype.AWQ4}, {dtype.F32, dtype.NF4}} {
			r := rand.New(rand.NewPCG(7, 7))
			_, av := random(r, types[0], rows*k)
			_, bv := random(r, types[1], n*k)
			a, w := tensor.New(types[0], rows, k), tensor.New(types[1], n, k)
			a.SetFloats(av)
			w.SetFloats(bv)
			var want []byte
			for _, threads := range []int{1, 3} {
				b := &Backend{newEngine(ks, threads)}
				packed := b.Pack(w.T())
				for _, m := range []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 16, 17, 28, 32, 33, rows} {
					out := tensor.New(dtype.F32, m, n)
					b.MatMul(tensor.MatMul{Out: out, A: a.Slice(0, rows-m, rows), W: packed})
					got := bytes.Clone(out.Index(m - 1).Bytes())
					if want == nil {
						want = got
					}
					if !bytes.Equal(got, want) {
						t.Fatalf("%v: %d rows on %d threads give other bits for the last row", types, m, threads)
					}
				}
				b.Close()
			}
		}
	})
}

// TestEmptyTensorsHaveNoAddress: an offset from the start of nothing would be a small pointer, and the runtime ends a program whose stack holds one while it grows.
func TestEmptyTensorsHaveNoAddress(t *testing.T) {
	x := tensor.New(dtype.F32, 3, 0, 4)
	if line, m, v := lineOf(tensor.New(dtype.F32, 3, 0), 2), matrixAt(x, 1, 1), viewAt(x, 1, 1); line.p != nil || m.ptr(2, 1) != nil || v.ptr(2, 1) != nil {
		t.Errorf("line at %p, matrix at %p, view at %p", line.p, m.ptr(2, 1), v.ptr(2, 1))
	}
}

// TestVectorTails compares every vector function with plain Go at each length around the vector width; nothing past the end may be written.
func TestVectorTails(t *testing.T) {
	plain := portable()
	eachLevel(t, func(t *testing.T, ks kernels) {
		r := rand.New(rand.NewPCG(3, 3))
		for n := 0; n < 70; n++ {
			_, x := random(r, dtype.F32, n)
			_, y := random(r, dtype.F32, n)
			for op := range ks.unary {
				checkTail(t, fmt.Sprintf("unary %d n %d", op, n), n, func(ks *kernels, dst []float32) { ks.unary[op](dst, x) }, &ks, &plain)
			}
			for op := range ks.binary {
				checkTail(t, fmt.Sprintf("binary %d n %d", op, n), n, func(ks *kernels, dst []float32) { ks.binary[op](dst, x, y) }, &ks, &plain)
			}
			for name, fold := range map[string]func(ks *kernels) float32{
				"sum": func(ks *kernels) float32 { return ks.sum(x) },
				"dot": func(ks *kernels) float32 { return ks.dot(x, y) },
				"max": func(ks *kernels) float32 { return ks.max(x) },
			} {
				if got, want := fold(&ks), fold(&plain); got != want && !(math.Abs(float64(got-want)) <= 1e-5*float64(n)) {
					t.Errorf("%s of %d numbers is %v, want %v", name, n, got, want)
				}
			}
		}
	})
}

func checkTail(t *testing.T, what string, n int, do func(ks *kernels, dst []float32), ks, plain *kernels) {
	t.Helper()
	got, want := make([]float32, n+16), make([]float32, n)
	for i := range got {
		got[i] = 12345
	}
	do(ks, got[:n])
	do(plain, want)
	for i, v := range got {
		switch {
		case i >= n && v != 12345:
			t.Fatalf("%s writes past the end", what)
		case i < n && v != v && want[i] != want[i]:
		case i < n && !(math.Abs(float64(v-want[i])) <= 4e-6*(1+math.Abs(float64(want[i])))):
			t.Fatalf("%s: number %d is %v, want %v", what, i, v, want[i])
		}
	}
}

func TestPoolRunsEachTaskOnceAndPassesPanicsOn(t *testing.T) {
	p := newPool(4)
	defer p.close()
	for _, n := range []int{0, 1, 2, 3, 100} {
		done := make([]int32, n)
		p.run(n, func(i int) { done[i]++ })
		for i, v := range done {
			if v != 1 {
				t.Fatalf("task %d of %d ran %d times", i, n, v)
			}
		}
	}
	defer func() {
		if r := recover(); r != "task 5" {
			t.Errorf("recovered %v, want the panic of the task", r)
		}
	}()
	p.run(10, func(i int) {
		if i == 5 {
			panic("task 5")
		}
	})
}

// TestPoolSleeps waits for the workers of a pool without work: all park, and the goroutines of a closed pool end.
func TestPoolSleeps(t *testing.T) {
	before := runtime.NumGoroutine()
	p := newPool(3)
	p.run(30, func(int) {})
	eventually(t, "workers without work park", func() bool {
		return !slices.ContainsFunc(p.workers, func(w *worker) bool { return !w.parked.Load() })
	})
	p.close()
	eventually(t, "goroutines of a closed pool end", func() bool { return runtime.NumGoroutine() <= before })
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for limit := time.Now().Add(time.Minute); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("not after a minute: %s", what)
		}
	}
}
