//go:build unix

package tensor

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// mapFile maps a file for reading; unmap is nil if there is nothing to undo. ErrUnsupported says that files of this file system cannot be mapped, or nothing in this process.
func mapFile(f *os.File, size int) (data []byte, unmap func() error, err error) {
	if size == 0 {
		return nil, nil, nil
	}
	data, err = unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
	switch err {
	case nil:
		return data, func() error { return unix.Munmap(data) }, nil
	case unix.ENODEV, unix.EPERM:
		err = errors.ErrUnsupported
	}
	return nil, nil, err
}
