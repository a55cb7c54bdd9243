package checkpoint

import (
	"sync"

	"quire/simd/tensor"
)

// Saver saves states while training goes on: Save returns when the tensors are copied, and the copy is hashed and written behind it. It holds
// one copy of the state, which later saves use again. One goroutine calls Save and Wait.
type Saver struct {
	dir  string
	keep int
	copy []byte
	busy sync.WaitGroup
	err  error // of the save before
}

// NewSaver saves into dir and keeps the newest keep states, all of them if keep is 0.
func NewSaver(dir string, keep int) *Saver { return &Saver{dir: dir, keep: keep} }

// Reserve allocates and touches the copy, so that the first Save is as short as the others. bytes is the size of the tensors.
func (s *Saver) Reserve(bytes int) {
	s.busy.Wait()
	if len(s.copy) < bytes {
		s.copy = tensor.Heap.Alloc(bytes)
		_ = parallel((bytes+pieceBytes-1)/pieceBytes, func(i int) error {
			for at := i * pieceBytes; at < min((i+1)*pieceBytes, bytes); at += 4096 {
				s.copy[at] = 1
			}
			return nil
		})
	}
}

// Save copies s and writes the copy in the background. If the save before has not ended it waits for that first. It returns the error of that save,
// if any, and saves nonetheless.
func (s *Saver) Save(state State) error {
	s.busy.Wait()
	last := s.err
	size := 0
	for _, t := range state.Tensors {
		size += padded(t.Tensor.NumBytes())
	}
	s.Reserve(size)
	state.Tensors = s.snapshot(state.Tensors)
	s.busy.Go(func() { s.err = SaveState(s.dir, state, s.keep) })
	return last
}

// Wait waits for the save in progress, if any, and returns its error.
func (s *Saver) Wait() error {
	s.busy.Wait()
	return s.err
}

// snapshot copies tensors into s.copy on all cores.
func (s *Saver) snapshot(tensors []Named) []Named {
	type run struct{ dst, src []byte }
	var runs []run
	out, at := make([]Named, len(tensors)), 0
	for i, t := range tensors {
		dst := s.copy[at : at+t.Tensor.NumBytes()]
		at += padded(len(dst))
		out[i] = Named{t.Name, tensor.FromBytes(t.Tensor.DType(), dst, t.Tensor.Shape()...)}
		if !t.Tensor.IsContiguous() {
			out[i] = t // SaveState refuses it by name
			continue
		}
		for src := t.Tensor.Bytes(); len(src) > 0; {
			n := min(len(src), pieceBytes)
			runs = append(runs, run{dst[:n], src[:n]})
			dst, src = dst[n:], src[n:]
		}
	}
	_ = parallel(len(runs), func(i int) error {
		copy(runs[i].dst, runs[i].src)
		return nil
	})
	return out
}

// padded keeps tensors apart by whole cache lines.
func padded(n int) int { return (n + dataAlign - 1) / dataAlign * dataAlign }
