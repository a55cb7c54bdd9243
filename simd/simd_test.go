package simd

import (
	"fmt"
	"strings"
	"testing"

	"quire/simd/dtype"
	"quire/simd/tensor"
)

func TestDefaultIsOneBackend(t *testing.T) {
	if Default() != Default() {
		t.Error("two calls gave two backends")
	}
	if text, info := Describe(), Default().Info(); !strings.Contains(text, info.Variant) || strings.Contains(text, "WARNING") != info.Scalar {
		t.Errorf("Describe() = %q for %+v", text, info)
	}
}

func TestScalarIsLoud(t *testing.T) {
	if w := warning(tensor.Info{Scalar: true}); !strings.Contains(w, "scalar") {
		t.Errorf("warning = %q", w)
	}
}

func ExampleDefault() {
	b := Default()
	x := tensor.FromF32([]float32{1, 2, 3, 4}, 2, 2)
	w := tensor.FromF32([]float32{1, 0, 0, -1}, 2, 2)
	y := tensor.New(dtype.BF16, 2, 2)
	b.MatMul(tensor.MatMul{Out: y, A: x, B: w.T(), Act: tensor.ActReLU})

	fmt.Println(y, y.Floats())
	// Output: BF16 [2 2] [1 0 3 0]
}
