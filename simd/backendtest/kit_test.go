package backendtest

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"quire/simd/dtype"
	"quire/simd/ref"
	"quire/simd/tensor"
)

// wrong is ref with the mistakes that kernels have: a forgotten last element, a write beyond the end, a row that depends on its neighbours, a rounding too many.
type wrong struct{ ref.Backend }

func (w wrong) Info() tensor.Info { return tensor.Info{Name: "wrong", Threads: 1} }

func (w wrong) Softmax(out, x tensor.Tensor) {
	w.Backend.Softmax(out, x)
	if out.Len() > 0 && out.DType() == dtype.F32 {
		out.F32()[out.Stride(0)*(out.Dim(0)-1)+out.Dim(-1)-1] *= 1.001
	}
}

func (w wrong) SwiGLU(out, gate, up tensor.Tensor) {
	w.Backend.SwiGLU(out, gate, up)
	if b := out.Span(); len(b) > 0 && cap(b) > len(b) { // rows with gaps: the byte behind the last one
		b[:len(b)+1][len(b)] = 0
	}
}

func (w wrong) RoPE(out, x, pos tensor.Tensor, r tensor.Rotary, inverse bool) {
	w.Backend.RoPE(out, x, pos, r, !inverse)
}

func (w wrong) RMSNorm(p tensor.RMSNorm) {
	p.Eps += 1e-4 * float32(p.X.Dim(0))
	w.Backend.RMSNorm(p)
}

func (w wrong) Binary(op tensor.BinaryOp, out, a, b tensor.Tensor) {
	if a.DType() == dtype.F16 {
		panic(tensor.Unsupported{Backend: "wrong", Op: "Binary", Types: []dtype.Type{dtype.F16}})
	}
	w.Backend.Binary(op, out, a, b)
}

// The kit must find each mistake, and pass what is right; a missing combination is a line in the table. The failing run is this test in a process of its own.
func TestKitFindsMistakes(t *testing.T) {
	if os.Getenv("BACKENDTEST_WRONG") != "" {
		Run(t, wrong{})
		return
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-test.run=^TestKitFindsMistakes$/^(Softmax|SwiGLU|RoPE|RMSNorm|Binary|BatchInvariance|Gradients|TopK)$", "-test.v")
	cmd.Env = append(os.Environ(), "BACKENDTEST_WRONG=1")
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatal("the wrong backend passed")
	}
	for _, want := range []string{"--- FAIL: TestKitFindsMistakes/Softmax", "--- FAIL: TestKitFindsMistakes/RoPE", "--- FAIL: TestKitFindsMistakes/RMSNorm", "wrote outside the tensor",
		"RMSNorm: [70 513] rows at once and in pieces", "Gradients", "--- PASS: TestKitFindsMistakes/TopK", "SKIPPED, no code: Binary Add"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the report has no %q", want)
		}
	}
}

// Every operation of the table is a bound for something, and ref itself is inside every bound: see simd/ref.
func TestBoundsAreDerived(t *testing.T) {
	for op, b := range bounds {
		if b.magnitude == "" {
			t.Errorf("%s: no magnitude is named", op)
		}
	}
	if of("Sum", 100, 2) <= of("Sum", 10, 2) || of("Add", 5, 1) != 0 {
		t.Error("bounds do not grow with the number of terms, or exact operations have one")
	}
}
