package quant

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
)

// square is a symmetric or triangular matrix, row-major.
type square struct {
	n int
	x []float64
}

func (s square) row(i int) []float64 { return s.x[i*s.n : i*s.n+s.n] }

// inverseFactor returns the upper triangular U with H⁻¹ = Uᵀ·U. With P the reversal of rows and L·Lᵀ = P·H·P it is P·L⁻¹·P: one factorisation and one triangular
// inverse, and H⁻¹ itself is never made. H is overwritten.
func inverseFactor(h square) (square, error) {
	n := h.n
	slices.Reverse(h.x) // rows and columns at once
	if err := cholesky(h); err != nil {
		return h, err
	}
	u := square{n, make([]float64, n*n)}
	share(n, func(j int) { // column j of L⁻¹ by forward substitution, kept as a row
		x := make([]float64, n)
		for i := j; i < n; i++ {
			sum := 0.0
			if i == j {
				sum = 1
			}
			x[i] = (sum - dot(h.row(i)[j:i], x[j:i])) / h.row(i)[i]
		}
		for i := j; i < n; i++ { // U[n−1−i][n−1−j] = L⁻¹[i][j]
			u.x[(n-1-i)*n+n-1-j] = x[i]
		}
	})
	return u, nil
}

// cholesky overwrites the lower triangle of h with L.
func cholesky(h square) error {
	n := h.n
	for j := range n {
		d := h.row(j)[j] - dot(h.row(j)[:j], h.row(j)[:j])
		if !(d > 0) || math.IsInf(d, 0) {
			return fmt.Errorf("quant: the Hessian is not positive definite at column %d: raise Damp", j)
		}
		d = math.Sqrt(d)
		h.row(j)[j] = d
		column := func(i int) { h.row(i)[j] = (h.row(i)[j] - dot(h.row(i)[:j], h.row(j)[:j])) / d }
		if (n-j)*j < 1<<16 {
			for i := j + 1; i < n; i++ {
				column(i)
			}
			continue
		}
		share(n-j-1, func(i int) { column(j + 1 + i) })
	}
	return nil
}

func dot(a, b []float64) float64 {
	var s0, s1, s2, s3 float64
	b = b[:len(a)]
	i := 0
	for ; i+4 <= len(a); i += 4 {
		s0 += a[i] * b[i]
		s1 += a[i+1] * b[i+1]
		s2 += a[i+2] * b[i+2]
		s3 += a[i+3] * b[i+3]
	}
	for ; i < len(a); i++ {
		s0 += a[i] * b[i]
	}
	return s0 + s1 + (s2 + s3)
}

// share calls do(0) to do(n−1), a stripe for each core.
func share(n int, do func(i int)) {
	workers := max(min(runtime.GOMAXPROCS(0), n), 1)
	var wg sync.WaitGroup
	for first := range workers {
		wg.Go(func() {
			for i := first; i < n; i += workers {
				do(i)
			}
		})
	}
	wg.Wait()
}
