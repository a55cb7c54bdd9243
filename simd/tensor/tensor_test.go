package tensor

import (
	"slices"
	"testing"

	"quire/simd/dtype"
)

func TestViewsShareStorage(t *testing.T) {
	a := New(dtype.F32, 2, 3)
	a.SetFloats([]float32{0, 1, 2, 3, 4, 5})
	if got := a.T().Floats(); !slices.Equal(got, []float32{0, 3, 1, 4, 2, 5}) {
		t.Errorf("T: %v", got)
	}
	if got := a.Slice(1, 1, 3).Index(1).Floats(); !slices.Equal(got, []float32{4, 5}) {
		t.Errorf("Slice, Index: %v", got)
	}
	row := FromF32([]float32{7, 8}, 2).Broadcast(3, 2)
	if got := row.Floats(); !slices.Equal(got, []float32{7, 8, 7, 8, 7, 8}) {
		t.Errorf("Broadcast: %v", got)
	}
	a.T().Index(0).SetFloats([]float32{9, 10})
	if got := a.Reshape(3, -1).Floats(); !slices.Equal(got, []float32{9, 1, 2, 10, 4, 5}) {
		t.Errorf("writing through a view: %v", got)
	}
	if a.T().IsContiguous() || !a.IsContiguous() || a.Slice(1, 0, 2).IsContiguous() {
		t.Error("IsContiguous")
	}
}
