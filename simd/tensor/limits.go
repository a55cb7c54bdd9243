package tensor

import "quire/simd/dtype"

// Limit is something that the machine cannot exceed, whatever the kernel.
type Limit uint8

const (
	PeakF32   Limit = iota // fused multiply-adds of F32, two operations each, registers only: operations a second
	PeakBF16               // BF16 dot products into F32
	PeakInt8               // 8-bit dot products into I32
	ReadBytes              // bytes a second read from DRAM, each thread its own region larger than any cache
)

// Prober is a Backend that can measure its machine. Benchmarks divide by what it says, measured right beside the kernel.
type Prober interface {
	// Probe measures for about 50 ms on that many threads, at most Info().Threads, and returns the rate a second; 0 if the machine has no such instruction.
	Probe(l Limit, threads int) float64
	// ReadOnce reads data from its beginning to its end on all threads, as a product reads weights, and returns the bytes a second.
	ReadOnce(data []byte) float64
}

// Repacker is a Backend whose packed operands can be kept in files: packing is then paid once a file, not once a start.
type Repacker interface {
	// Layout names all that the bytes of a packed operand depend on besides the operand: the machine's variant and the version of the layouts.
	Layout() string
	// PackedBytes views the memory of a packed operand; nil if it cannot be restored.
	PackedBytes(p Packed) []byte
	// Restore makes an operand of bytes that PackedBytes gave under the same Layout, for a tensor of type dt with k rows and n columns, packed from a transposed view as w.T() of a weight.
	// It keeps data, which must be aligned to 64 and never change. The content is trusted; an error says that the length does not fit.
	Restore(dt dtype.Type, k, n int, data []byte) (Packed, error)
}

// Varianter is a Backend that has code for several instruction levels.
type Varianter interface {
	// Variants lists what this machine can run, best first; the last is scalar code.
	Variants() []string
	// With returns a backend like this one, with that variant and number of threads ("" and 0: unchanged). Close it when done.
	With(variant string, threads int) (Backend, error)
}
