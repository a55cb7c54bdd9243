package backendtest

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"quire/simd/dtype"
	"quire/simd/tensor"
)

// u is the unit roundoff of F32.
const u = 1.0 / (1 << 24)

// format is the arithmetic of an element type: the relative error of one rounding, and half its smallest number.
type format struct{ unit, tiny float64 }

var formats = map[dtype.Type]format{
	dtype.F32:  {u, 0x1p-150},
	dtype.F16:  {0x1p-11, 0x1p-25},
	dtype.BF16: {0x1p-8, 0x1p-134},
}

// bound is the error of an operation in F32, in units of u: fixed roundings plus perTerm roundings for each of n summed terms, all relative to a magnitude that the check computes — for
// a sum Σ|terms|, for a function the result. A sum of n terms in any order errs by at most (n−1)·u·Σ|terms| (Higham, Accuracy and Stability of Numerical Algorithms, §4.2).
type bound struct {
	fixed, perTerm float64
	magnitude      string
}

// bounds is the one table of error bounds. 0 means exact: the same bits as ref.
var bounds = map[string]bound{
	"Copy": {0, 0, "exact: rounding is defined"},
	"Neg":  {0, 0, "exact"}, "Abs": {0, 0, "exact"}, "ReLU": {0, 0, "exact"},
	"Square": {0, 0, "one rounding, as ref"}, "Sqrt": {0, 0, "one rounding, as ref"}, "Rsqrt": {3, 0, "result"},
	"Exp": {4, 0, "result; 2 roundings of a reduced argument"}, "Log": {4, 0, "result"}, "Tanh": {8, 0, "result"}, "Sigmoid": {6, 0, "result"}, "SiLU": {8, 0, "result"},
	"GELU": {8, 0, "|x|: erf near −1 cancels"}, "GELUTanh": {8, 0, "|x|"}, "LogSigmoid": {4, 0, "1 + |result|: log of 1 + small"},
	"Add": {0, 0, "one rounding, as ref"}, "Sub": {0, 0, "one rounding"}, "Mul": {0, 0, "one rounding"}, "Div": {0, 0, "one rounding"}, "Max": {0, 0, "exact"}, "Min": {0, 0, "exact"},
	"SiLUGrad": {12, 0, "|a|·(1+|b|)"}, "GELUGrad": {12, 0, "|a|·(1+|b|)"}, "GELUTanhGrad": {16, 0, "|a|·(1+|b|)"}, "ReLUGrad": {0, 0, "exact"},
	"Affine": {2, 0, "|scale·x| + |shift|"}, "Dropout": {2, 0, "result"},
	"Sum": {0, 1, "Σ|x|"}, "Mean": {1, 1, "Σ|x|/n"}, "SumSquares": {0, 1, "result"}, "MaxOf": {0, 0, "exact"}, "MinOf": {0, 0, "exact"},
	"LogSumExp": {6, 1, "1 + |result|"}, "ArgMax": {0, 0, "exact"}, "TopK": {0, 0, "exact"}, "Sample": {0, 0, "exact, away from ties of U"},
	"MatMul":    {12, 1.2, "|alpha|·Σ|a·b| + |bias| + |residual|; 1.2 is the steepest activation"},
	"RMSNorm":   {6, 0.5, "result: the root halves the error of the sum"},
	"RStd":      {4, 0.5, "result"},
	"RMSNormDX": {8, 1.5, "|w·dy·r| + |x|·r³/C·Σ|w·dy·x| + |residual|"},
	"RMSNormDW": {4, 1, "Σ|dy·x·r| + |old|"},
	"RoPE":      {2, 0, "|a| + |b|"}, "SwiGLU": {9, 0, "result"}, "SwiGLUGrad": {14, 0, "|dout|·(1+|gate|)·(1+|up|)"},
	"Softmax": {6, 1, "result·(1 + |x−max|/n)"}, "SoftmaxGrad": {4, 1, "y·(|dy| + Σ y·|dy|)"},
	"Embedding": {0, 0, "exact"}, "EmbeddingGrad": {0, 0, "exact: the order is defined"},
	"HeadLoss":     {16, 1, "1 + |lse| + 2·max Σ|x·w|, over n = C + V"},
	"HeadLossGrad": {32, 2, "Σ|g|·|operand|·(1 + max Σ|x·w|), plus one rounding of g to the type of W"},
	"AdamWMoment":  {4, 0, "|β·m| + |(1−β)·g|"}, "AdamWV": {6, 0, "result"}, "AdamW": {4, 0, "|w| + 4·|update|"},
	"Muon":          {0, 0, "see muons: five steps multiply errors"},
	"Attention":     {16, 1, "Σ p·|v|·(1 + 2·max Σ|q·k|·scale), n = D + S, plus one rounding of p to the type of V"},
	"LSE":           {8, 1, "1 + |lse| + max Σ|q·k|·scale"},
	"AttentionGrad": {48, 4, "Σ p·(|dp| + Σp·|dp|)·scale·|operand|·(1 + 2·max Σ|q·k|·scale), plus two roundings to the type of K"},
}

// of returns the error bound of op for n terms of that magnitude. An operation that is not in the table panics: there is no default.
func of(op string, n int, magnitude float64) float64 {
	b, ok := bounds[op]
	if !ok {
		panic("backendtest: no bound for " + op)
	}
	if b.fixed == 0 && b.perTerm == 0 {
		return 0
	}
	return u*(b.fixed+b.perTerm*float64(n))*math.Abs(magnitude) + 0x1p-126
}

// support records what a backend has code for: for each operation, the combinations of types that were called.
type support struct{ yes, no map[string][][]dtype.Type }

func newSupport() *support {
	return &support{map[string][][]dtype.Type{}, map[string][][]dtype.Type{}}
}

func (s *support) add(op string, types []dtype.Type, ok bool) {
	m := s.yes
	if !ok {
		m = s.no
	}
	if !slices.ContainsFunc(m[op], func(t []dtype.Type) bool { return slices.Equal(t, types) }) {
		m[op] = append(m[op], types)
	}
}

// table prints one line an operation: how many combinations have code, the types at each position, and every combination without code.
func (s *support) table(info tensor.Info) string {
	var b strings.Builder
	fmt.Fprintf(&b, "support of %s (%s, %d threads): combinations checked, types of out and operands\n", info.Name, info.Variant, info.Threads)
	for _, op := range slices.Sorted(maps.Keys(s.yes)) {
		fmt.Fprintf(&b, "  %-20s %3d  %s\n", op, len(s.yes[op]), positions(s.yes[op]))
	}
	for _, op := range slices.Sorted(maps.Keys(s.no)) {
		fmt.Fprintf(&b, "  SKIPPED, no code: %s %v\n", op, s.no[op])
	}
	return b.String()
}

// positions lists the types seen at each position.
func positions(combinations [][]dtype.Type) string {
	var parts []string
	for i := range combinations[0] {
		var seen []dtype.Type
		for _, c := range combinations {
			if i < len(c) && !slices.Contains(seen, c[i]) {
				seen = append(seen, c[i])
			}
		}
		slices.Sort(seen)
		parts = append(parts, fmt.Sprint(seen))
	}
	return strings.Join(parts, " × ")
}
