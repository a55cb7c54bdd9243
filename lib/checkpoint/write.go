package checkpoint

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"

	"quire/simd/dtype"
	"quire/simd/tensor"
)

// payload is a tensor on its way to a file: pieces that follow one another, each converted to the type of the whole.
type payload struct {
	name   string
	dt     dtype.Type
	shape  []int
	pieces func() ([]tensor.Tensor, error) // called once, when the tensor is written
}

// bytes is the size in the file.
func (p payload) bytes() int {
	n, _ := elements(p.shape)
	return p.dt.Bytes(n)
}

// whole is the payload of tensors that lie one behind the other in the file.
func whole(name string, dt dtype.Type, shape []int, pieces ...tensor.Tensor) payload {
	return payload{name, dt, shape, func() ([]tensor.Tensor, error) { return pieces, nil }}
}

// payloads are tensors as they are.
func payloads(tensors []Named) []payload {
	list := make([]payload, len(tensors))
	for i, t := range tensors {
		list[i] = whole(t.Name, t.Tensor.DType(), t.Tensor.Shape(), t.Tensor)
	}
	return list
}

// placed is a payload at its place in a file.
type placed struct {
	payload
	offset int64
}

// pieceBytes is about how much is written at once.
const pieceBytes = 8 << 20

// writeFile makes a file of a head and payloads, whole or not at all: it is written beside, synced and renamed. If there is a file called spare that nobody reads it is
// overwritten and becomes the new one: its blocks and its pages in memory need not be found again, which is most of what a new file costs.
func writeFile(path, spare string, head []byte, list []placed, size int64) error {
	f, name, err := create(path, spare)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	done := false
	defer func() {
		f.Close()
		if !done {
			os.Remove(name)
		}
	}()
	err = f.Truncate(size)
	if err == nil {
		_, err = f.WriteAt(head, 0)
	}
	if err == nil {
		err = writePayloads(f, list)
	}
	if err == nil {
		err = errors.Join(f.Chmod(0o644), f.Sync(), f.Close())
	}
	if err == nil {
		err = os.Rename(name, path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("checkpoint: write %s: %w", path, err)
	}
	done = true
	return nil
}

// create opens a file beside path to be written.
func create(path, spare string) (f *os.File, name string, err error) {
	prefix := filepath.Join(filepath.Dir(path), "."+filepath.Base(path))
	if f, err = os.OpenFile(spare, os.O_RDWR, 0); spare != "" && err == nil {
		name = prefix + tempSuffix
		if lockAlone(f) && os.Rename(spare, name) == nil {
			return f, name, nil
		}
		f.Close()
		os.Remove(spare)
	}
	if f, err = os.CreateTemp(filepath.Dir(path), filepath.Base(prefix)+".*"+tempSuffix); err != nil {
		return nil, "", err
	}
	return f, f.Name(), nil
}

// tempSuffix ends the names of files that are being written.
const tempSuffix = ".part"

// syncDir makes a rename last. Systems that cannot sync a folder have nothing to sync.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && runtime.GOOS != "windows" {
		return err
	}
	return nil
}

// piece is a run of bytes of a file: the numbers of t, converted to dt.
type piece struct {
	t      tensor.Tensor
	dt     dtype.Type
	offset int64
}

// writePayloads writes one payload after the other, the pieces of each by all cores.
func writePayloads(f *os.File, list []placed) error {
	for _, p := range list {
		pieces, err := p.pieces()
		if err != nil {
			return err
		}
		var run []piece
		at := p.offset
		for _, t := range pieces {
			run = appendPieces(run, t, p.dt, at)
			at += int64(p.dt.Bytes(t.Len()))
		}
		if want := p.offset + int64(p.bytes()); at != want {
			return fmt.Errorf("tensor %q: %d bytes of pieces for %v %v", p.name, at-p.offset, p.dt, p.shape)
		}
		if err := parallel(len(run), func(i int) error { return run[i].write(f) }); err != nil {
			return fmt.Errorf("tensor %q: %w", p.name, err)
		}
	}
	return nil
}

// appendPieces cuts a tensor into contiguous pieces of a convenient size.
func appendPieces(run []piece, t tensor.Tensor, dt dtype.Type, offset int64) []piece {
	small := t.IsContiguous() && t.NumBytes() <= pieceBytes
	if t.Rank() == 0 || t.Dim(0) == 0 || small {
		return append(run, piece{t, dt, offset})
	}
	rows, rowBytes := 1, max(t.NumBytes()/t.Dim(0), 1)
	if t.IsContiguous() {
		rows = max(pieceBytes/rowBytes, 1)
	}
	if t.Rank() == 1 { // a vector: cut in multiples of a block
		rows = max(rows/t.DType().Block(), 1) * t.DType().Block()
		if !t.IsContiguous() {
			return append(run, piece{t, dt, offset})
		}
	}
	for lo := 0; lo < t.Dim(0); lo += rows {
		hi := min(lo+rows, t.Dim(0))
		part := t.Slice(0, lo, hi)
		if t.Rank() > 1 && !part.IsContiguous() {
			run = appendPieces(run, t.Index(lo), dt, offset)
		} else {
			run = append(run, piece{part, dt, offset})
		}
		offset += int64(dt.Bytes(part.Len()))
	}
	return run
}

func (p piece) write(f *os.File) error {
	data := []byte(nil)
	if p.t.DType() == p.dt && p.t.IsContiguous() {
		data = p.t.Bytes()
	} else {
		data = make([]byte, p.dt.Bytes(p.t.Len()))
		dtype.Quantize(data, p.dt, p.t.Floats())
	}
	_, err := f.WriteAt(data, p.offset)
	return err
}

// parallel calls do(0) to do(n−1) on all cores and returns the first error.
func parallel(n int, do func(i int) error) error {
	var next atomic.Int64
	var once sync.Once
	var first error
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), n) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := do(i); err != nil {
					once.Do(func() { first = err })
					next.Store(int64(n))
				}
			}
		})
	}
	wg.Wait()
	return first
}
