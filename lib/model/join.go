package model

import (
	"sync"

	"quire/simd/dtype"
	"quire/simd/tensor"
)

// packing packs matrices, or takes them from where they were packed before. The pieces that a file has a matrix in become one where they are of one type: one product then reads and rounds its
// activations once, and has fewer ends at which a thread waits for others.
type packing struct {
	b    tensor.Backend
	next func(dt dtype.Type, k, n int) tensor.Packed
	buf  []byte
}

// pack returns the parts as operands, joined or one by one.
func (p *packing) pack(parts []tensor.Tensor) (all []operand) {
	if len(parts) > 1 && joinable(parts) {
		rows := 0
		for _, t := range parts {
			rows += t.Dim(0)
		}
		return []operand{p.one(parts[0].DType(), rows, parts[0].Dim(1), func() tensor.Tensor { return p.join(parts, rows) })}
	}
	for _, t := range parts {
		all = append(all, p.one(t.DType(), t.Dim(0), t.Dim(1), func() tensor.Tensor { return t }))
	}
	return all
}

// one is the operand of a weight (n, k).
func (p *packing) one(dt dtype.Type, n, k int, weight func() tensor.Tensor) operand {
	if p.next != nil {
		if w := p.next(dt, k, n); w != nil {
			return operand{packed: w, n: n}
		}
	}
	return operand{packed: p.b.Pack(weight().T()), n: n}
}

func joinable(parts []tensor.Tensor) bool {
	for _, t := range parts {
		if t.DType() != parts[0].DType() || !t.IsContiguous() {
			return false
		}
	}
	return true
}

// join copies the parts to one matrix, which lives until the next call.
func (p *packing) join(parts []tensor.Tensor, rows int) tensor.Tensor {
	size := 0
	for _, t := range parts {
		size += t.NumBytes()
	}
	if len(p.buf) < size {
		p.buf = tensor.Heap.Alloc(size)
	}
	var wg sync.WaitGroup
	at := 0
	for _, t := range parts {
		dst, src := p.buf[at:at+t.NumBytes()], t.Bytes()
		at += len(dst)
		half := len(dst) / 2 // two copies are as fast as memory is
		wg.Go(func() { copy(dst[:half], src[:half]) })
		wg.Go(func() { copy(dst[half:], src[half:]) })
	}
	wg.Wait()
	return tensor.FromBytes(parts[0].DType(), p.buf[:size], rows, parts[0].Dim(1))
}
