package model

import (
	"sync"

	"quire/simd/tensor"
)

// joiner makes one matrix of the pieces that a file has it in, where they are of one type: one product then reads and rounds its activations once, and has fewer ends at which a thread waits for others.
type joiner struct{ buf []byte }

// join returns the parts, joined or as they are. A joined matrix lives until the next call.
func (j *joiner) join(parts []tensor.Tensor) []tensor.Tensor {
	rows, size := 0, 0
	for _, t := range parts {
		if t.DType() != parts[0].DType() || !t.IsContiguous() {
			return parts
		}
		rows, size = rows+t.Dim(0), size+t.NumBytes()
	}
	if len(parts) < 2 {
		return parts
	}
	if len(j.buf) < size {
		j.buf = tensor.Heap.Alloc(size)
	}
	var wg sync.WaitGroup
	at := 0
	for _, t := range parts {
		dst, src := j.buf[at:at+t.NumBytes()], t.Bytes()
		at += len(dst)
		half := len(dst) / 2 // two copies are as fast as memory is
		wg.Go(func() { copy(dst[:half], src[:half]) })
		wg.Go(func() { copy(dst[half:], src[half:]) })
	}
	wg.Wait()
	return []tensor.Tensor{tensor.FromBytes(parts[0].DType(), j.buf[:size], rows, parts[0].Dim(1))}
}
