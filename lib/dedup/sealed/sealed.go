// Package sealed keeps a file of signatures honest: it appears under its name when it is complete, and ends in the XXH3 hash of all
// before it, so that a file that is cut short or damaged is told from a good one before anything in it is believed.
//
// Deliberately absent: a format. What lies before the hash is its writer's.
package sealed

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/zeebo/xxh3"
)

// Write makes a file of what write gives to w, whose errors it need not look at.
func Write(path string, write func(w *bufio.Writer) error) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".part-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	hash := xxh3.New()
	buf := bufio.NewWriterSize(io.MultiWriter(tmp, hash), 1<<20)
	if err := write(buf); err != nil {
		return err
	}
	if err := buf.Flush(); err != nil {
		return err
	}
	if err := binary.Write(tmp, binary.LittleEndian, hash.Sum64()); err != nil {
		return err
	}
	if err := errors.Join(tmp.Chmod(0o644), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// Read returns what was written to a file.
func Read(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	n := len(data) - 8
	if n < 0 || binary.LittleEndian.Uint64(data[n:]) != xxh3.Hash(data[:n]) {
		return nil, fmt.Errorf("%s is damaged or of another kind: its checksum does not fit", path)
	}
	return data[:n], nil
}

// Parts deals out the arrays that lie in a file one after the other. Its error is the first that there was.
type Parts struct {
	Rest []byte
	Err  error
}

// Bytes returns the next n bytes.
func (p *Parts) Bytes(n int) []byte {
	if p.Err == nil && (n < 0 || n > len(p.Rest)) {
		p.Err = fmt.Errorf("%d bytes are wanted where %d are left", n, len(p.Rest))
	}
	if p.Err != nil {
		return nil
	}
	var part []byte
	part, p.Rest = p.Rest[:n], p.Rest[n:]
	return part
}

// Take returns the next n little-endian values. It makes no room for more than there are.
func Take[T uint32 | uint64](p *Parts, n int) []T {
	size := binary.Size(T(0))
	if n > len(p.Rest)/size {
		n = len(p.Rest)/size + 1 // which Bytes refuses
	}
	data := p.Bytes(n * size)
	if p.Err != nil {
		return nil
	}
	values := make([]T, n)
	if _, err := binary.Decode(data, binary.LittleEndian, values); err != nil {
		p.Err = err
	}
	return values
}

// Put writes values as Take reads them.
func Put[T uint32 | uint64](w *bufio.Writer, values []T) {
	for _, v := range values {
		b := binary.LittleEndian.AppendUint64(w.AvailableBuffer(), uint64(v))
		w.Write(b[:len(b)-8+binary.Size(v)])
	}
}
