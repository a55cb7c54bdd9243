package cpu

import (
	"fmt"
	"slices"

	"quire/simd/dtype"
	"quire/simd/internal/check"
	"quire/simd/tensor"
)

// Backend computes on the processor. Goroutines may share it.
type Backend struct{ e *engine }

var (
	_ tensor.Backend   = (*Backend)(nil)
	_ tensor.Varianter = (*Backend)(nil)
	_ tensor.Prober    = (*Backend)(nil)
)

// New returns a backend with the best level of this machine and GOMAXPROCS threads.
func New() *Backend {
	ks, _ := kernelsOf(Levels()[0])
	return &Backend{newEngine(ks, 0)}
}

// Info says what computes.
func (b *Backend) Info() tensor.Info {
	level := b.e.ks.level
	return tensor.Info{Name: "cpu", Variant: string(level), Threads: b.e.pool.threads(), Scalar: level == Portable}
}

// Variants lists the levels of this machine.
func (b *Backend) Variants() []string {
	var all []string
	for _, l := range Levels() {
		all = append(all, string(l))
	}
	return all
}

// With returns a backend with that level and number of threads; "" and 0 leave them as they are.
func (b *Backend) With(variant string, threads int) (tensor.Backend, error) {
	level := Level(variant)
	if variant == "" {
		level = b.e.ks.level
	}
	if !slices.Contains(Levels(), level) {
		return nil, fmt.Errorf("cpu: variant %q: this machine has %q", variant, b.Variants())
	}
	if threads < 0 {
		return nil, fmt.Errorf("cpu: %d threads", threads)
	}
	if threads == 0 {
		threads = b.e.pool.threads()
	}
	ks, _ := kernelsOf(level)
	return &Backend{newEngine(ks, threads)}, nil
}

// Close stops the threads.
func (b *Backend) Close() error {
	b.e.pool.close()
	return nil
}

// Copy converts by dtype's rules.
func (b *Backend) Copy(out, x tensor.Tensor) {
	check.Copy(out, x)
	switch {
	case out.Len() == 0:
	case out.DType().IsBlock() || x.DType().IsBlock():
		b.copyBlocks(out, x)
	case out.DType().IsFloat() && x.DType().IsFloat():
		b.e.each(func(t temps, l []run, lo, hi int) {
			if l[0].dt == l[1].dt {
				copyBits(l[0], l[1], lo, hi)
				return
			}
			v := b.e.ks.load(t[0], l[1], lo, hi)
			if l[0].dt == dtype.F32 && l[0].stride == 1 {
				copy(f32s(l[0].ptr(lo), hi-lo), v)
				return
			}
			b.e.ks.store(l[0], lo, v)
		}, out, x)
	default:
		b.copyIntegers(out, x)
	}
}

// copyBits copies numbers of one type.
func copyBits(out, x run, lo, hi int) {
	size := out.dt.BlockBytes()
	if out.stride == 1 && x.stride == 1 {
		copy(bytesAt(out.ptr(lo), (hi-lo)*size), bytesAt(x.ptr(lo), (hi-lo)*size))
		return
	}
	for i := lo; i < hi; i++ {
		copy(bytesAt(out.ptr(i), size), bytesAt(x.ptr(i), size))
	}
}

// copyIntegers copies within a type exactly and between types by way of float32.
func (b *Backend) copyIntegers(out, x tensor.Tensor) {
	if out.DType() == x.DType() {
		b.e.each(func(_ temps, l []run, lo, hi int) { copyBits(l[0], l[1], lo, hi) }, out, x)
		return
	}
	b.e.each(func(t temps, l []run, lo, hi int) {
		v := t[0][:1]
		for i := lo; i < hi; i++ {
			dtype.Dequantize(v, l[1].dt, bytesAt(l[1].ptr(i), l[1].dt.BlockBytes()))
			dtype.Quantize(bytesAt(l[0].ptr(i), l[0].dt.BlockBytes()), l[0].dt, v)
		}
	}, out, x)
}

// copyBlocks quantises, dequantises or copies line by line.
func (b *Backend) copyBlocks(out, x tensor.Tensor) {
	n := out.Dim(-1)
	b.e.pool.split(out.Len()/n, 1, 8*b.e.pool.threads(), func(lo, hi int) {
		tmp := make([]float32, n)
		for i := lo; i < hi; i++ {
			o, s := lineOf(out, i), lineOf(x, i)
			dst, src := bytesAt(o.p, o.dt.Bytes(n)), bytesAt(s.p, s.dt.Bytes(n))
			switch {
			case o.dt == s.dt:
				copy(dst, src)
			case o.dt.IsBlock():
				dtype.Quantize(dst, o.dt, b.e.ks.load(tmp, s, 0, n))
			default:
				dtype.Dequantize(tmp, s.dt, src)
				b.e.ks.scatterLine(o, tmp)
			}
		}
	})
}

// scatterLine writes a whole line from x, which is not the line itself.
func (ks *kernels) scatterLine(r run, x []float32) {
	if r.dt == dtype.F32 && r.stride == 1 {
		copy(f32s(r.p, len(x)), x)
		return
	}
	ks.store(r, 0, x)
}
