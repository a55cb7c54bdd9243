package train

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"quire/lib/checkpoint"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

// saver writes checkpoints behind the loop's back. save starts a copy of the live tensors, which only the optimiser writes, so a step's gradients are
// computed meanwhile; release waits for the copy before the optimiser writes; the copy then goes to the disk.
//
// It is used by the loop's goroutine alone, and owns a copy of the live tensors from the first save on.
type saver struct {
	dir     string
	keep    int
	live    []namedTensor
	copies  []checkpoint.Named
	copied  chan struct{} // closed when the copy is complete; nil: no copy is being made
	written chan error    // holds one result when the files are complete; nil: nothing is being written
	last    int           // step of the latest save; −1: none
	waited  time.Duration // how long the loop has waited for saves since takeWait
}

func newSaver(dir string, keep int, live []namedTensor) *saver {
	return &saver{dir: dir, keep: keep, live: live, last: -1}
}

// save starts to save the live tensors with a document. It waits for the save before.
func (s *saver) save(step int, doc []byte) error {
	begin := time.Now()
	if err := s.wait(); err != nil {
		return err
	}
	if s.copies == nil {
		for _, n := range s.live {
			s.copies = append(s.copies, checkpoint.Named{Name: n.name, Tensor: tensor.New(dtype.F32, n.t.Shape()...)})
		}
	}
	copied, written := make(chan struct{}), make(chan error, 1)
	s.copied, s.written, s.last = copied, written, step
	go func() {
		for i, n := range s.live {
			copy(s.copies[i].Tensor.Bytes(), n.t.Bytes())
		}
		close(copied)
		err := checkpoint.WriteSafetensors(s.file(step), map[string]string{documentKey: string(doc)}, s.copies)
		written <- errors.Join(err, s.prune())
	}()
	s.waited += time.Since(begin)
	return nil
}

// takeWait is how long saves have kept the loop from training since it was last asked.
func (s *saver) takeWait() time.Duration {
	w := s.waited
	s.waited = 0
	return w
}

// checkpointDir is where a run keeps its checkpoints.
func checkpointDir(dir string) string { return filepath.Join(dir, "checkpoints") }

// documentKey is where the document stands in the file's metadata.
const documentKey = "quire.train"

// release waits until the live tensors may be written.
func (s *saver) release() {
	if s.copied != nil {
		begin := time.Now()
		<-s.copied
		s.copied = nil
		s.waited += time.Since(begin)
	}
}

// wait waits until nothing is being written and returns what went wrong with it.
func (s *saver) wait() error {
	s.release()
	if s.written == nil {
		return nil
	}
	err := <-s.written
	s.written = nil
	return err
}

func (s *saver) file(step int) string {
	return filepath.Join(s.dir, fmt.Sprintf("step-%09d.safetensors", step))
}

// steps lists the saved steps, in order.
func (s *saver) steps() (steps []int, err error) {
	files, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	for _, f := range files {
		name, ok := strings.CutSuffix(f.Name(), ".safetensors")
		name, is := strings.CutPrefix(name, "step-")
		if n, err := strconv.Atoi(name); ok && is && err == nil {
			steps = append(steps, n)
		}
	}
	slices.Sort(steps)
	return steps, nil
}

// prune removes all but the latest checkpoints.
func (s *saver) prune() error {
	steps, err := s.steps()
	for i := 0; i < len(steps)-s.keep; i++ {
		err = errors.Join(err, os.Remove(s.file(steps[i])))
	}
	return err
}

// drop removes the checkpoints behind a step.
func (s *saver) drop(step int) error {
	steps, err := s.steps()
	for _, n := range steps {
		if n > step {
			err = errors.Join(err, os.Remove(s.file(n)))
		}
	}
	return err
}

// load reads a saved step into the live tensors and returns its document.
func (s *saver) load(step int) (doc []byte, err error) {
	if err := s.wait(); err != nil {
		return nil, err
	}
	f, err := checkpoint.OpenSafetensors(s.file(step))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	saved := make([]tensor.Tensor, len(s.live))
	for i, n := range s.live {
		if saved[i], err = f.Tensor(n.name); err != nil {
			return nil, err
		}
		if t := saved[i]; t.DType() != dtype.F32 || !t.SameShape(n.t) {
			return nil, fmt.Errorf("train: %s: %s is %v and the model wants %v: choose another Dir for another model", s.file(step), n.name, t, n.t)
		}
	}
	for i, n := range s.live {
		copy(n.t.Bytes(), saved[i].Bytes())
	}
	s.last = step
	return []byte(f.Meta()[documentKey]), nil
}
