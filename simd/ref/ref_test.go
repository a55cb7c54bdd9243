package ref_test

import (
	"testing"

	"quire/simd/backendtest"
	"quire/simd/ref"
)

// The definition is its own backend: what this checks is the kit, the gradients and the panics.
func TestConformance(t *testing.T) { backendtest.Run(t, ref.Backend{}) }
