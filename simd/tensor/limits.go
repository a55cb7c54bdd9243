package tensor

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
}

// Varianter is a Backend that has code for several instruction levels.
type Varianter interface {
	// Variants lists what this machine can run, best first; the last is scalar code.
	Variants() []string
	// With returns a backend like this one, with that variant and number of threads ("" and 0: unchanged). Close it when done.
	With(variant string, threads int) (Backend, error)
}
