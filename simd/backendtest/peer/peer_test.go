package peer

import (
	"os/exec"
	"testing"
	"unsafe"

	"quire/simd/backendtest"
	"quire/simd/dtype"
)

func TestOpenBLASMultiplies(t *testing.T) {
	o, err := LoadOpenBLAS()
	if err != nil {
		t.Skip(err)
	}
	a, b, c := []float32{1, 2, 3, 4}, []float32{5, 6, 7, 8}, make([]float32, 4)
	o.sgemm(rowMajor, noTrans, trans, 2, 2, 2, 1, ptr(a), 2, ptr(b), 2, 0, ptr(c), 2)
	if c[0] != 17 || c[1] != 23 || c[2] != 39 || c[3] != 53 {
		t.Errorf("a·bᵀ = %v, want [17 23 39 53]", c)
	}
	if s := o.Product(backendtest.Product{M: 8, N: 8, K: 8, DType: dtype.F32}, 1)(); !(s > 0) {
		t.Errorf("a product of 8×8×8 takes %v s", s)
	}
	t.Log("core", o.Core())
}

func ptr(x []float32) unsafe.Pointer { return unsafe.Pointer(&x[0]) }

func TestTorchAnswers(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip(err)
	}
	p, err := StartTorch(python, 1)
	if err != nil {
		t.Skip(err)
	}
	defer p.Close()
	for _, dt := range []dtype.Type{dtype.F32, dtype.BF16} {
		if s := p.Product(backendtest.Product{M: 8, N: 8, K: 8, DType: dt})(); !(s > 0) {
			t.Errorf("%v: a product of 8×8×8 takes %v s", dt, s)
		}
	}
}

func TestAbsentTorchIsAnError(t *testing.T) {
	if _, err := StartTorch("no-such-interpreter", 1); err == nil {
		t.Error("an interpreter that does not exist was started")
	}
}

func TestAbsentGGMLIsAnError(t *testing.T) {
	if _, err := LoadGGML(t.TempDir()); err == nil {
		t.Error("libraries were found in an empty folder")
	}
}
