package cpu

import (
	"runtime"

	"quire/simd/dtype"
)

// engine is what every operation works with: kernels, threads, scratch.
type engine struct {
	ks      kernels
	pool    *pool
	scratch scratch
}

func newEngine(ks kernels, threads int) *engine {
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	return &engine{ks: ks, pool: newPool(threads)}
}

// packed is the right operand of a product in panels of t.nr columns, each with all of k.
type packed struct {
	dt     dtype.Type
	k, n   int
	t      *tile
	buf    *buffer
	raw    matrix       // I8, and formats without kernels: the operand itself, in buf
	blocks *blockFormat // formats with kernels
}

// prefetchSlack follows every packed operand: kernels ask ahead by this much, and the addresses should be mapped.
const prefetchSlack = 16 << 10

// packB packs b for tile t with numbers of type want.
func (e *engine) packB(t *tile, want dtype.Type, b matrix) *packed {
	steps := t.steps(b.k)
	panels := (b.lines + t.nr - 1) / t.nr
	w := &packed{dt: b.dt, k: b.k, n: b.lines, t: t, buf: newBuffer(panels*t.panel(steps) + prefetchSlack)}
	e.pool.split(panels, 1, 8*e.pool.threads(), func(lo, hi int) {
		for p := lo; p < hi; p++ {
			e.ks.pack(at(w.buf.ptr(), p*t.panel(steps)), b, want, p*t.nr, min(t.nr, b.lines-p*t.nr), 0, b.k, t.nr, &e.scratch)
		}
	})
	return w
}

// DType is the type of the tensor that was packed.
func (w *packed) DType() dtype.Type { return w.dt }

// K is the length of the sums.
func (w *packed) K() int { return w.k }

// N is the number of columns.
func (w *packed) N() int { return w.n }

// Bytes is the memory held.
func (w *packed) Bytes() int { return len(w.buf.data) }

// choose picks the tile for operands of these float types, and the types of its panels. Unpacked F16 is widened while it is packed.
func (e *engine) choose(a, b dtype.Type, packed bool) (t *tile, aPanel, bPanel dtype.Type) {
	switch {
	case a == dtype.BF16 && b == dtype.BF16 && e.ks.bf16.nr > 0:
		return &e.ks.bf16, dtype.BF16, dtype.BF16
	case b == dtype.BF16:
		return &e.ks.mixedBF16, dtype.F32, dtype.BF16
	case b == dtype.F16 && packed:
		return &e.ks.mixedF16, dtype.F32, dtype.F16
	}
	return &e.ks.f32, dtype.F32, dtype.F32
}
