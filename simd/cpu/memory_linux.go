package cpu

import "golang.org/x/sys/unix"

// mapHuge maps n bytes of anonymous memory and asks for huge pages, which the system may refuse without harm.
func mapHuge(n int) (data []byte, unmap func(), err error) {
	data, err = unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, nil, err
	}
	_ = unix.Madvise(data, unix.MADV_HUGEPAGE)
	whole := data
	return data, func() { _ = unix.Munmap(whole) }, nil
}
