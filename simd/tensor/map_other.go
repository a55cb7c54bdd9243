//go:build !unix

package tensor

import (
	"io"
	"os"
)

func mapFile(f *os.File, size int) ([]byte, error) {
	data := Heap.Alloc(size)
	_, err := io.ReadFull(f, data)
	return data, err
}

func unmapFile([]byte) error { return nil }
