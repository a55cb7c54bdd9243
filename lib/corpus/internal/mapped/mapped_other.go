//go:build !unix

package mapped

import "os"

// File reads the whole file where the system has no mmap that Go reaches.
func File(path string) (data []byte, unmap func() error, err error) {
	data, err = os.ReadFile(path)
	return data, func() error { return nil }, err
}
