package tensor

import (
	"errors"
	"fmt"
	"io"
	"os"
	"unsafe"

	"quire/simd/dtype"
)

// align is the alignment of every allocation: one cache line, one zmm register.
const align = 64

// hugeBytes is the size from which an allocation asks for huge pages: a stream over 4 KiB pages spends 40 % of its time on finding them (quire bench tensor --only rmsnorm).
const (
	hugePage  = 2 << 20
	hugeBytes = 2 * hugePage
)

// Allocator gives 64-byte aligned storage.
type Allocator interface {
	// Alloc returns n bytes that stay valid as the allocator defines.
	Alloc(n int) []byte
}

// Heap allocates zeroed memory that the garbage collector frees.
var Heap Allocator = heap{}

type heap struct{}

func (heap) Alloc(n int) []byte {
	if n == 0 {
		return nil
	}
	b := make([]byte, n+align-1)
	if n >= hugeBytes {
		askHuge(b)
	}
	skip := int(-start(b) & (align - 1))
	return b[skip : skip+n : skip+n]
}

// Arena hands out memory front to back and takes it back all at once: Mark before a step, Release after it. Memory is undefined when handed out and
// must not be used after Release. The zero Arena is ready; it grows by chunks and keeps them. It is not for several goroutines at once.
type Arena struct {
	chunks [][]byte
	sizes  int // bytes in the chunks before chunk at
	at     int // chunk in use
	used   int // of that chunk
	peak   int
}

// arenaChunk is the least size of a chunk: large enough that the kernel may back it with huge pages.
const arenaChunk = 32 << 20

// NewArena returns an arena whose first chunk has n bytes: if a step needs no more, all of it is one piece.
func NewArena(n int) *Arena { return &Arena{chunks: [][]byte{Heap.Alloc(max(n, align))}} }

// Mark is a position in an Arena.
type Mark struct{ sizes, at, used int }

// Alloc returns n bytes, valid until a Release to an earlier mark.
func (a *Arena) Alloc(n int) []byte {
	size := (n + align - 1) &^ (align - 1)
	for {
		if a.at == len(a.chunks) {
			a.chunks = append(a.chunks, Heap.Alloc(max(size, arenaChunk)))
		}
		c := a.chunks[a.at]
		if a.used+size <= len(c) {
			b := c[a.used : a.used+n : a.used+n]
			a.used += size
			a.peak = max(a.peak, a.sizes+a.used)
			return b
		}
		a.sizes += len(c)
		a.at, a.used = a.at+1, 0
	}
}

// Mark is the present position, for Release.
func (a *Arena) Mark() Mark { return Mark{a.sizes, a.at, a.used} }

// Release frees everything allocated since m.
func (a *Arena) Release(m Mark) { a.sizes, a.at, a.used = m.sizes, m.at, m.used }

// Peak is the largest number of bytes in use so far, rests of chunks included: what a step needs.
func (a *Arena) Peak() int { return a.peak }

// Mapping is a file mapped read-only into memory.
type Mapping struct {
	data  []byte
	name  string
	close func() error
}

// Map maps a file: opening costs microseconds, and pages are read when they are first used. Where mapping is not possible the file is read.
func Map(name string) (*Mapping, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("tensor: %s is not a regular file", name)
	}
	data, unmap, err := mapFile(f, int(info.Size()))
	if errors.Is(err, errors.ErrUnsupported) {
		data, err = readFile(f, int(info.Size()))
	}
	if err != nil {
		return nil, fmt.Errorf("tensor: map %s: %v", name, err)
	}
	return &Mapping{data, name, unmap}, nil
}

// readFile is what Map does where the system, or the file system, maps nothing.
func readFile(f *os.File, size int) ([]byte, error) {
	data := Heap.Alloc(size)
	_, err := io.ReadFull(f, data)
	return data, err
}

// Bytes is the whole file. Writing to it crashes.
func (m *Mapping) Bytes() []byte { return m.data }

// Tensor views the file from byte offset on; an error names the file, the place and the sizes. Tensors die with Close.
func (m *Mapping) Tensor(dt dtype.Type, offset int, shape ...int) (Tensor, error) {
	n, ok := 1, dt != dtype.None && len(shape) <= MaxRank
	for _, d := range shape {
		ok = ok && d >= 0 && (d == 0 || n <= (1<<56)/d)
		if ok {
			n *= d
		}
	}
	if ok && dt.IsBlock() {
		ok = len(shape) > 0 && shape[len(shape)-1]%dt.Block() == 0
	}
	if !ok {
		return Tensor{}, fmt.Errorf("tensor: %s at byte %d: %v %v is no tensor", m.name, offset, dt, shape)
	}
	if need := dt.Bytes(n); offset < 0 || offset > len(m.data) || need > len(m.data)-offset {
		return Tensor{}, fmt.Errorf("tensor: %s at byte %d: %v %v needs %d bytes, the file has %d", m.name, offset, dt, shape, need, len(m.data))
	}
	return FromBytes(dt, m.data[offset:], shape...), nil
}

// Close unmaps the file.
func (m *Mapping) Close() error {
	unmap := m.close
	m.data, m.close = nil, nil
	if unmap == nil {
		return nil
	}
	return unmap()
}

// FromF32 views x as a tensor without copying. It panics if the lengths differ.
func FromF32(x []float32, shape ...int) Tensor { return fromSlice(dtype.F32, x, shape) }

// FromU16 views the bits of F16 or BF16 numbers.
func FromU16(dt dtype.Type, x []uint16, shape ...int) Tensor { return fromSlice(dt, x, shape) }

// FromI32 views token ids, positions or labels.
func FromI32(x []int32, shape ...int) Tensor { return fromSlice(dtype.I32, x, shape) }

func fromSlice[E any](dt dtype.Type, x []E, shape []int) Tensor {
	if n := int(unsafe.Sizeof(*new(E))); n != dt.BlockBytes() {
		panic(fmt.Sprintf("tensor: %v from elements of %d bytes", dt, n))
	}
	t := FromBytes(dt, unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), len(x)*dt.BlockBytes()), shape...)
	if t.Len() != len(x) {
		panic(fmt.Sprintf("tensor: %d numbers for %v", len(x), t))
	}
	return t
}

// start is the address of the first byte.
func start(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

func cast[E any](b []byte) []E {
	return unsafe.Slice((*E)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/int(unsafe.Sizeof(*new(E))))
}
