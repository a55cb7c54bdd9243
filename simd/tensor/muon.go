package tensor

import (
	"fmt"
	"math"

	"quire/simd/dtype"
)

// MuonStep is one step of Muon for a weight matrix: momentum whose singular values are all drawn towards 1. Jordan et al. 2024,
// kellerjordan.github.io/posts/muon, with the decoupled decay of Liu et al. 2025, arXiv:2502.16982 §2.2:
//
//	g = GradScale·G;  M = Momentum·M + (1−Momentum)·g;  U = Momentum·M + (1−Momentum)·g (Nesterov)
//	W = W·(1 − LR·WeightDecay) − LR·√max(1, rows/columns)·NewtonSchulz(U)
//
//	W, M (R, C) F32    G (R, C) float    Out (R, C) float: a rounded copy of W, or none    all contiguous
type MuonStep struct {
	W, G, M     Tensor
	Out         Tensor
	LR          float32
	Momentum    float32
	WeightDecay float32
	GradScale   float32    // 0 means 1
	Work        dtype.Type // type of the Newton–Schulz products; None means F32, the authors use BF16
}

// newtonSchulz are the coefficients of the quintic iteration, and how often it runs: Jordan et al. 2024.
const (
	nsA, nsB, nsC = 3.4445, -4.7750, 2.0315
	nsSteps       = 5
)

// Muon takes the step on b, with its scratch from a: 2·R·C + 2·min(R,C)² numbers of Work and 2·R·C of F32.
func Muon(b Backend, a Allocator, p MuonStep) {
	if p.W.rank != 2 || p.W.dt != dtype.F32 || p.M.dt != dtype.F32 || !p.W.SameShape(p.G) || !p.W.SameShape(p.M) {
		panic(fmt.Sprintf("tensor: Muon: w %v, g %v, m %v: want equal (R, C), w and m F32", p.W, p.G, p.M))
	}
	scale, work := p.GradScale, p.Work
	if scale == 0 {
		scale = 1
	}
	if work == dtype.None {
		work = dtype.F32
	}
	rows, cols := p.W.Dim(0), p.W.Dim(1)
	u, x := NewIn(a, dtype.F32, rows, cols), NewIn(a, work, rows, cols)
	b.Affine(u, p.G, scale*(1-p.Momentum), 0)
	b.Affine(p.M, p.M, p.Momentum, 0)
	b.Binary(Add, p.M, p.M, u)
	scaled := NewIn(a, dtype.F32, rows, cols)
	b.Affine(scaled, p.M, p.Momentum, 0)
	b.Binary(Add, u, u, scaled)
	norm := NewIn(a, dtype.F32)
	b.Reduce(SumSquares, norm, u.Reshape(-1))
	b.Unary(Sqrt, norm, norm)
	b.Affine(norm, norm, 1, 1e-7)
	b.Binary(Div, x, u, norm.Broadcast(rows, cols))
	ortho := orthogonalize(b, a, x)
	grow := float32(1)
	if rows > cols {
		grow = float32(math.Sqrt(float64(rows) / float64(cols)))
	}
	b.Affine(p.W, p.W, 1-p.LR*p.WeightDecay, 0)
	b.Affine(u, ortho, -p.LR*grow, 0)
	b.Binary(Add, p.W, p.W, u)
	if !p.Out.IsZero() {
		b.Copy(p.Out, p.W)
	}
}

// orthogonalize iterates X ← a·X + (b·A + c·A²)·X with A = X·Xᵀ, on the side where A is smaller, and returns X or a tensor like it.
func orthogonalize(b Backend, a Allocator, x Tensor) Tensor {
	transposed := x.Dim(0) > x.Dim(1)
	if transposed {
		x = x.T()
	}
	n := x.Dim(0)
	gram, poly := NewIn(a, x.dt, n, n), NewIn(a, x.dt, n, n)
	next := NewIn(a, x.dt, x.Dim(0), x.Dim(1))
	for range nsSteps {
		b.MatMul(MatMul{Out: gram, A: x, B: x.T()})
		b.Affine(poly, gram, nsB, 0)
		b.MatMul(MatMul{Out: poly, A: gram, B: gram, Alpha: nsC, Residual: poly})
		b.Affine(next, x, nsA, 0)
		b.MatMul(MatMul{Out: next, A: poly, B: x, Residual: next})
		x, next = next, x
	}
	if transposed {
		x = x.T()
	}
	return x
}
