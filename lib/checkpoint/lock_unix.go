//go:build unix

package checkpoint

import (
	"os"

	"golang.org/x/sys/unix"
)

// lockShared marks a file as being read until it is closed. It fails if the file is being overwritten.
func lockShared(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) }

// lockAlone reports whether nobody reads the file, and keeps it so until it is closed.
func lockAlone(f *os.File) bool { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil }
