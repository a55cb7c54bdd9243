package cpu

import (
	"testing"

	"quire/simd/backendtest"
)

// TestConformance runs the kit on every variant that this machine can run.
func TestConformance(t *testing.T) {
	base := New()
	t.Cleanup(func() { base.Close() })
	for _, level := range []Level{AVX512, AVX2, NEON, Portable} {
		t.Run(string(level), func(t *testing.T) {
			t.Parallel()
			b, err := base.With(string(level), 2)
			if err != nil {
				t.Skip(err)
			}
			defer b.Close()
			backendtest.Run(t, b)
		})
	}
}
