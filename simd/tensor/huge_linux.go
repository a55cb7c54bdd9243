package tensor

import "golang.org/x/sys/unix"

// askHuge asks for huge pages behind the whole ones of b, which the system may refuse without harm. Pages that were written before stay small.
func askHuge(b []byte) {
	skip := int(-start(b) & (hugePage - 1))
	if n := (len(b) - skip) &^ (hugePage - 1); n > 0 {
		_ = unix.Madvise(b[skip:skip+n], unix.MADV_HUGEPAGE)
	}
}
