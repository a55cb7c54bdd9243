package cpu

import (
	"runtime"
	"sync"
	"unsafe"
)

// hugeBytes is the size from which a buffer gets its own mapping and asks for huge pages: below it a page walk costs nothing that
// BenchmarkGEMV can see, above it huge pages are worth 2–11 % of bandwidth.
const hugeBytes = 4 << 20

// slack is left free after every buffer: kernels read ahead of, but never past, it.
const slack = 64

// buffer is aligned memory outside of any tensor.
type buffer struct {
	data    []byte
	release func() // gives a mapping back at once; nil: the Go heap's
}

// newBuffer returns n zero bytes aligned to 64. Large ones live outside the Go heap and are unmapped when the buffer is collected.
func newBuffer(n int) *buffer {
	if n >= hugeBytes {
		if data, unmap, err := mapHuge(n + slack); err == nil {
			b := &buffer{data: data[:n]}
			cleanup := runtime.AddCleanup(b, func(unmap func()) { unmap() }, unmap)
			b.release = func() { cleanup.Stop(); unmap() }
			return b
		}
	}
	raw := make([]byte, n+64+slack)
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(raw))) & 63)
	return &buffer{data: raw[skip : skip+n]}
}

func (b *buffer) ptr() unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(b.data)) }

// scratch keeps buffers for reuse by size class, so that a training step allocates nothing.
type scratch struct {
	mu   sync.Mutex
	free [scratchClasses][]*buffer
}

const (
	scratchClasses = 64 // each half as large again as the one before, from 4 KB on
	scratchKept    = 4  // free buffers of a class that are kept; more are left to the collector
)

// sizeClass is the smallest class for n bytes and its size.
func sizeClass(n int) (class, size int) {
	for size = 4096; size < n; class++ {
		size += size / 2 &^ 63
	}
	return class, size
}

// get returns a buffer of at least n bytes with undefined content; put gives it back.
func (s *scratch) get(n int) *buffer {
	class, size := sizeClass(n)
	s.mu.Lock()
	if l := s.free[class]; len(l) > 0 {
		b := l[len(l)-1]
		s.free[class] = l[:len(l)-1]
		s.mu.Unlock()
		return b
	}
	s.mu.Unlock()
	return newBuffer(size)
}

func (s *scratch) put(b *buffer) {
	class, _ := sizeClass(len(b.data))
	s.mu.Lock()
	if len(s.free[class]) < scratchKept {
		s.free[class] = append(s.free[class], b)
	}
	s.mu.Unlock()
}

// at moves p. The start of a tensor without elements, nil, stays: the runtime ends a program that it finds a pointer of a few bytes in.
func at(p unsafe.Pointer, bytes int) unsafe.Pointer {
	if p == nil {
		return nil
	}
	return unsafe.Add(p, bytes)
}

func f32s(p unsafe.Pointer, n int) []float32 { return unsafe.Slice((*float32)(p), n) }
func u16s(p unsafe.Pointer, n int) []uint16  { return unsafe.Slice((*uint16)(p), n) }
func bytesAt(p unsafe.Pointer, n int) []byte { return unsafe.Slice((*byte)(p), n) }
func start[E any](x []E) unsafe.Pointer      { return unsafe.Pointer(unsafe.SliceData(x)) }
