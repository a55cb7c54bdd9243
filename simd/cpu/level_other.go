//go:build !amd64 && !arm64

package cpu

// available: this processor has no assembly of ours.
func available() []kernels { return nil }
