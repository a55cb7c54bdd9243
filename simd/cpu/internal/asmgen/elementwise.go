package asmgen

import (
	"fmt"
	"math"
	"sort"
)

// elementwise is a kernel over equally long operands: stores, and sums or maxima over everything.
type elementwise struct {
	name    string
	doc     string
	ins     []string // type of each operand: f32, bf16 or f16
	outs    []output
	folds   []fold
	scalars int
	unroll  int
	ahead   ahead
}

// ahead is the part of the next row that a kernel asks for while it works on this one, in quarters: what follows the first operand. The kernels that a row passes share it, so that
// memory is never idle.
type ahead struct{ from, quarters int }

// output is an operand that is written; it may be one of the inputs.
type output struct {
	typ   string
	value *node
}

// fold is an accumulated result: VADDPS, VMAXPS, or VPMAXUD of the bits.
type fold struct {
	op    string
	value *node
}

func widths(typ string) int {
	if typ == "f32" {
		return 4
	}
	return 2
}

var pointerRegs = []string{"SI", "DI", "R8", "R9", "R10", "R11", "R12", "R13"}

const (
	posReg   = "AX"  // index of the first element of this round
	leftReg  = "CX"  // elements left
	aheadReg = "R13" // end of the first operand
)

// elementwiseFile prints every kernel for both instruction sets.
func elementwiseFile(f *file) {
	for _, t := range []isa{avx512, avx2} {
		for _, k := range elementwiseKernels() {
			f.elementwise(t, k)
		}
	}
	f.tailMasks()
	f.declareSplats()
}

// declareSplats prints the vectors of one value that were named.
func (f *file) declareSplats() {
	var names []string
	for name := range f.splats {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		words := make([]uint32, 16)
		for i := range words {
			words[i] = f.splats[name]
		}
		f.constant(name, words...)
	}
}

// tailMasks is a window of eight ones and eight zeros: AVX2 masks.
func (f *file) tailMasks() {
	words := make([]uint32, 16)
	for i := range 8 {
		words[i] = math.MaxUint32
	}
	f.constant("tailMask", words...)
}

func (f *file) elementwise(t isa, k *elementwise) {
	params := []param{num("n", leftReg)}
	for i := range k.outs {
		params = append(params, ptr(fmt.Sprintf("out%d", i), pointerRegs[i]))
	}
	for i := range k.ins {
		params = append(params, ptr(fmt.Sprintf("in%d", i), pointerRegs[len(k.outs)+i]))
	}
	if k.scalars > 0 {
		params = append(params, ptr("scalars", "BX"))
	}
	if len(k.folds) > 0 {
		params = append(params, ptr("result", "DX"))
	}
	f.fn(k.name+t.name, k.doc, params...)
	f.i("XORQ", posReg, posReg)
	l := &loop{f: f, t: t, k: k, unroll: max(1, k.unroll), free: t.bytes/2 - 1}
	l.registers()
	l.prefetchFrom()
	l.print()
	for i := range k.folds {
		f.reduce(t, k, l.accs, i)
	}
	f.ret()
}

// loop is a kernel and its registers: those above free are taken for as long as it runs.
type loop struct {
	f       *file
	t       isa
	k       *elementwise
	unroll  int
	free    int
	accs    [][]int // of each fold, for each vector of a round
	scalars []int
	mask    int            // of the tail, AVX2
	consts  map[uint32]int // constants that have a register, by their bits
}

func (l *loop) take() int {
	l.free--
	return l.free + 1
}

// registers takes and fills the registers of the folds, the scalars, the mask, and of as many constants as leave enough for one vector.
func (l *loop) registers() {
	l.accs = make([][]int, l.unroll)
	for u := range l.accs {
		for range l.k.folds {
			l.accs[u] = append(l.accs[u], l.take())
		}
	}
	for i, fo := range l.k.folds {
		for u := range l.accs {
			if fo.op == "VMAXPS" {
				l.f.i("VMOVUPS", l.f.splat(float32(math.Inf(-1))), l.t.v(l.accs[u][i]))
			} else {
				l.f.zero(l.t, l.accs[u][i])
			}
		}
	}
	for i := range l.k.scalars {
		l.scalars = append(l.scalars, l.take())
		l.f.i("VBROADCASTSS", mem(4*i, "BX"), l.t.v(l.scalars[i]))
	}
	if l.t.bytes == 32 {
		l.mask = l.take()
	}
	trial := &loop{f: &file{}, t: l.t, k: l.k, free: l.free, accs: l.accs, scalars: l.scalars, mask: l.mask}
	e := trial.vector(0, true)
	l.consts = map[uint32]int{}
	for _, n := range e.order {
		b := math.Float32bits(n.imm)
		if _, known := l.consts[b]; n.op == "con" && !known && len(l.consts) < e.spare {
			l.consts[b] = l.take()
			l.f.i("VMOVUPS", l.f.splat(n.imm), l.t.v(l.consts[b]))
		}
	}
}

// vector prints the kernel for vector u of a round.
func (l *loop) vector(u int, tail bool) *emitter {
	e := &emitter{f: l.f, t: l.t, k: l.k, consts: l.consts, uses: map[*node]int{}, reg: map[*node]int{}, off: u * l.t.lanes(), tail: tail, spare: l.free + 1}
	for r := l.free; r >= 0; r-- {
		e.free = append(e.free, r)
	}
	e.instance(l.accs[u], l.scalars, l.mask)
	return e
}

// prefetchFrom finds the first line of the next row that this kernel asks for.
func (l *loop) prefetchFrom() {
	if l.k.ahead.quarters == 0 {
		return
	}
	l.f.i("LEAQ", fmt.Sprintf("(%s)(%s*4)", pointerRegs[len(l.k.outs)], leftReg), aheadReg)
	if from := l.k.ahead.from; from > 0 {
		l.f.i("MOVQ", leftReg, "R15")
		l.f.i("IMULQ", imm(from), "R15")
		l.f.i("ADDQ", "R15", aheadReg)
	}
}

func (l *loop) print() {
	f, lanes := l.f, l.t.lanes()
	f.i("SUBQ", imm(lanes*l.unroll), leftReg)
	f.i("JLT", "rest")
	f.label("loop")
	for line := 0; line < lanes*l.unroll*l.k.ahead.quarters; line += 64 {
		f.i("PREFETCHT1", fmt.Sprintf("%d(%s)(%s*%d)", line, aheadReg, posReg, l.k.ahead.quarters))
	}
	for u := range l.unroll {
		l.vector(u, false)
	}
	f.i("ADDQ", imm(lanes*l.unroll), posReg)
	f.i("SUBQ", imm(lanes*l.unroll), leftReg)
	f.i("JGE", "loop")
	f.label("rest")
	f.i("ADDQ", imm(lanes*l.unroll), leftReg)
	if l.unroll > 1 {
		f.label("single")
		f.i("CMPQ", leftReg, imm(lanes))
		f.i("JLT", "tail")
		l.vector(0, false)
		f.i("ADDQ", imm(lanes), posReg)
		f.i("SUBQ", imm(lanes), leftReg)
		f.i("JMP", "single")
		f.label("tail")
	}
	f.i("TESTQ", leftReg, leftReg)
	f.i("JEQ", "done")
	if l.t.bytes == 64 {
		f.i("MOVQ", "$-1", "R15")
		f.i("BZHIQ", leftReg, "R15", "R15")
		f.i("KMOVQ", "R15", "K1")
	} else {
		f.i("LEAQ", "tailMask<>(SB)", "R15")
		f.i("NEGQ", leftReg)
		f.i("VMOVUPS", "32(R15)("+leftReg+"*4)", l.t.v(l.mask))
	}
	l.vector(0, true)
	f.label("done")
}

// instance prints the kernel for one vector.
func (e *emitter) instance(accs, scalarRegs []int, mask int) {
	for _, o := range e.k.outs {
		e.plan(o.value)
	}
	for _, fo := range e.k.folds {
		e.plan(fo.value)
	}
	for _, n := range e.order {
		if n.op == "scalar" {
			e.reg[n] = scalarRegs[n.i]
		}
	}
	e.mask = mask
	for _, n := range e.order {
		e.emit(n)
	}
	for i, o := range e.k.outs {
		e.store(i, o)
		e.done(o.value)
	}
	for i, fo := range e.k.folds {
		e.fold(fo, accs[i])
		e.done(fo.value)
	}
}

func (e *emitter) address(ptr, width int) string {
	return fmt.Sprintf("%d(%s)(%s*%d)", e.off*width, pointerRegs[ptr], posReg, width)
}

// load reads operand i as float32.
func (k *elementwise) load(e *emitter, i, r int) {
	typ := k.ins[i]
	addr, v, half := e.address(len(k.outs)+i, widths(typ)), e.t.v(r), "Y"
	if e.t.bytes == 32 {
		half = "X"
	}
	z := e.t.bytes == 64 && e.tail
	switch {
	case typ == "f32" && z:
		e.f.i("VMOVUPS.Z", addr, "K1", v)
	case typ == "f32" && e.tail:
		e.f.i("VMASKMOVPS", addr, e.t.v(e.mask), v)
	case typ == "f32":
		e.f.i("VMOVUPS", addr, v)
	case typ == "bf16" && z:
		e.f.i("VPMOVZXWD.Z", addr, "K1", v)
		e.f.i("VPSLLD", "$16", v, v)
	case typ == "bf16":
		e.f.i("VPMOVZXWD", addr, v)
		e.f.i("VPSLLD", "$16", v, v)
	case z:
		e.f.i("VMOVDQU16.Z", addr, "K1", fmt.Sprintf("%s%d", half, r))
		e.f.i("VCVTPH2PS", fmt.Sprintf("%s%d", half, r), v)
	default:
		e.f.i("VCVTPH2PS", addr, v)
	}
}

// store writes output i.
func (e *emitter) store(i int, o output) {
	addr, z := e.address(i, widths(o.typ)), e.t.bytes == 64
	src := e.operand(o.value)
	switch {
	case o.typ == "f32" && e.tail && z:
		e.f.i("VMOVUPS", src, "K1", addr)
	case o.typ == "f32" && e.tail:
		e.f.i("VMASKMOVPS", src, e.t.v(e.mask), addr)
	case o.typ == "f32":
		e.f.i("VMOVUPS", src, addr)
	case o.typ == "bf16":
		e.storeBF16(o.value, addr)
	case e.tail && z:
		e.f.i("VCVTPS2PH", "$0", src, fmt.Sprintf("Y%d", e.reg[o.value]))
		e.f.i("VMOVDQU16", fmt.Sprintf("Y%d", e.reg[o.value]), "K1", addr)
	default:
		e.f.i("VCVTPS2PH", "$0", src, addr)
	}
}

// storeBF16 rounds to nearest even with integers: VCVTNEPS2BF16 would count denormals as zero. NaN keeps its upper bits and becomes quiet.
func (e *emitter) storeBF16(n *node, addr string) {
	v := e.t.v(e.reg[n])
	r, q := e.alloc(), e.alloc()
	rounded, quiet := e.t.v(r), e.t.v(q)
	splat := func(b uint32) string { return e.f.splat(math.Float32frombits(b)) }
	e.f.i("VPSRLD", "$16", v, rounded)
	if e.t.bytes == 64 {
		e.f.i("VPORD", splat(0x40), rounded, quiet)
		e.f.i("VPANDD", splat(1), rounded, rounded)
		e.f.i("VPADDD", v, rounded, rounded)
		e.f.i("VPADDD", splat(0x7fff), rounded, rounded)
		e.f.i("VPSRLD", "$16", rounded, rounded)
		e.f.i("VCMPPS", "$3", v, v, "K2")
		e.f.i("VMOVDQA32", quiet, "K2", rounded)
		if e.tail {
			e.f.i("VPMOVDW", rounded, "K1", addr)
		} else {
			e.f.i("VPMOVDW", rounded, addr)
		}
	} else {
		m := e.alloc()
		e.f.i("VPOR", splat(0x40), rounded, quiet)
		e.f.i("VPAND", splat(1), rounded, rounded)
		e.f.i("VPADDD", v, rounded, rounded)
		e.f.i("VPADDD", splat(0x7fff), rounded, rounded)
		e.f.i("VPSRLD", "$16", rounded, rounded)
		e.f.i("VCMPPS", "$3", v, v, e.t.v(m))
		e.f.i("VBLENDVPS", e.t.v(m), quiet, rounded, rounded)
		e.f.i("VEXTRACTI128", "$1", rounded, fmt.Sprintf("X%d", q))
		e.f.i("VPACKUSDW", fmt.Sprintf("X%d", q), fmt.Sprintf("X%d", r), fmt.Sprintf("X%d", r))
		e.f.i("VMOVUPS", fmt.Sprintf("X%d", r), addr)
		e.free = append(e.free, m)
	}
	e.free = append(e.free, r, q)
}

// fold accumulates one vector; what the tail lacks leaves the accumulator as it is.
func (e *emitter) fold(fo fold, acc int) {
	v, a := e.operand(fo.value), e.t.v(acc)
	switch {
	case !e.tail:
		e.f.i(fo.op, v, a, a)
	case e.t.bytes == 64:
		e.f.i(fo.op, v, a, "K1", a)
	case fo.op == "VMAXPS":
		r := e.alloc()
		e.f.i("VMAXPS", v, a, e.t.v(r))
		e.f.i("VBLENDVPS", e.t.v(e.mask), e.t.v(r), a, a)
		e.free = append(e.free, r)
	default:
		r := e.alloc()
		e.f.i("VANDPS", v, e.t.v(e.mask), e.t.v(r))
		e.f.i(fo.op, e.t.v(r), a, a)
		e.free = append(e.free, r)
	}
}

// reduce folds the accumulators of result i into one number, in a fixed order, and stores it. Registers 0 and 1 are free by now.
func (f *file) reduce(t isa, k *elementwise, accs [][]int, i int) {
	op, acc := k.folds[i].op, accs[0][i]
	for step := 1; step < len(accs); step *= 2 {
		for u := 0; u+step < len(accs); u += 2 * step {
			f.i(op, t.v(accs[u+step][i]), t.v(accs[u][i]), t.v(accs[u][i]))
		}
	}
	if acc > 15 {
		f.i("VMOVAPS", t.v(acc), t.v(0))
		acc = 0
	}
	y, x := fmt.Sprintf("Y%d", acc), fmt.Sprintf("X%d", acc)
	if t.bytes == 64 {
		f.i("VEXTRACTF64X4", "$1", t.v(acc), "Y1")
		f.i(op, "Y1", y, y)
	}
	f.i("VEXTRACTF128", "$1", y, "X1")
	f.i(op, "X1", x, x)
	f.i("VPERMILPS", "$14", x, "X1")
	f.i(op, "X1", x, x)
	f.i("VPERMILPS", "$1", x, "X1")
	f.i(op, "X1", x, x)
	f.i("VMOVSS", x, mem(4*i, "DX"))
}

// elementwiseKernels are the kernels; what each computes is its expression.
func elementwiseKernels() []*elementwise {
	x, y, z := in(0), in(1), in(2)
	f32 := func(n int) []string { return []string{"f32", "f32", "f32", "f32"}[:n] }
	out := func(v *node) []output { return []output{{"f32", v}} }
	w, g, m, v := in(0), in(1), in(2), in(3)
	grad := mul(scalar(0), g)
	moment := fma(scalar(1), m, mul(scalar(2), grad))
	second := fma(scalar(3), v, mul(mul(scalar(4), grad), grad))
	step := div(mul(scalar(6), moment), add(sqrt(mul(second, scalar(7))), scalar(8)))
	e := fastDecay(sub(x, scalar(0)))
	weight := decay(sub(mul(x, scalar(0)), scalar(1)))
	prob := decay(sub(mul(x, scalar(0)), scalar(1)))
	scoreSlope := mul(mul(prob, scalar(0)), sub(y, scalar(2)))
	geluInner := mul(mul(x, con(2*math.Sqrt(2/math.Pi))), fma(mul(x, x), con(0.044715), con(1)))
	return []*elementwise{
		{name: "fromBF16", ins: []string{"bf16"}, outs: out(x)},
		{name: "fromF16", ins: []string{"f16"}, outs: out(x)},
		{name: "toBF16", ins: f32(1), outs: []output{{"bf16", x}}},
		{name: "toF16", ins: f32(1), outs: []output{{"f16", x}}},
		{name: "add", ins: f32(2), outs: out(add(x, y))},
		{name: "sub", ins: f32(2), outs: out(sub(x, y))},
		{name: "mul", ins: f32(2), outs: out(mul(x, y))},
		{name: "div", ins: f32(2), outs: out(div(x, y))},
		{name: "affine", ins: f32(1), scalars: 2, outs: out(fma(x, scalar(0), scalar(1)))},
		{name: "fma", ins: f32(3), outs: out(fma(x, y, z))},
		{name: "addScaled", ins: f32(2), scalars: 1, outs: out(fma(scalar(0), x, y))},
		{name: "scale", ins: f32(1), scalars: 1, unroll: 4, ahead: ahead{3, 1}, outs: out(mul(x, scalar(0)))},
		{name: "scaleMul", ins: f32(2), scalars: 1, unroll: 4, ahead: ahead{2, 2}, outs: out(mul(mul(x, scalar(0)), y))},
		{name: "sqrt", ins: f32(1), outs: out(sqrt(x))},
		{name: "exp", ins: f32(1), outs: out(exp(x))},
		{name: "sigmoid", ins: f32(1), outs: out(sigmoid(x))},
		{name: "silu", ins: f32(1), outs: out(silu(x))},
		{name: "geluTanh", ins: f32(1), outs: out(mul(finite(x), sigmoid(geluInner)))},
		{name: "siluGrad", ins: f32(2), outs: out(mul(x, slope(y)))},
		{name: "swiGLU", ins: f32(2), outs: out(mul(silu(x), y))},
		{name: "swiGLUGrad", doc: "takes dout, gate and up.", ins: f32(3), outs: []output{{"f32", mul(mul(x, z), slope(y))}, {"f32", mul(x, silu(y))}}},
		{name: "adam", doc: "takes w, g, m and v, and the numbers of type adam.", ins: f32(4), scalars: 9,
			outs: []output{{"f32", fnma(con(1), step, mul(w, scalar(5)))}, {"f32", moment}, {"f32", second}}},
		{name: "rotate", doc: "takes a, b, cos and sin.", ins: f32(4),
			outs: []output{{"f32", fnma(in(1), in(3), mul(in(0), in(2)))}, {"f32", fma(in(0), in(3), mul(in(1), in(2)))}}},
		{name: "sum", ins: f32(1), unroll: 4, folds: []fold{{"VADDPS", x}}},
		{name: "squares", ins: f32(1), unroll: 4, ahead: ahead{0, 2}, folds: []fold{{"VADDPS", mul(x, x)}}},
		{name: "dot", ins: f32(2), unroll: 4, folds: []fold{{"VADDPS", mul(x, y)}}},
		{name: "max", doc: "also gives the largest bits of |x|, which tell NaN.", ins: f32(1), unroll: 4,
			folds: []fold{{"VMAXPS", x}, {"VPMAXUD", and(x, bits(math.MaxInt32))}}},
		{name: "maxOrdered", doc: "is max for numbers among which a NaN may count as anything.", ins: f32(1), unroll: 4, ahead: ahead{0, 1}, folds: []fold{{"VMAXPS", x}}},
		{name: "expSum", ins: f32(1), scalars: 1, unroll: 4, ahead: ahead{1, 2}, outs: out(e), folds: []fold{{"VADDPS", e}}},
		{name: "weights", doc: "writes exp(x·scale − shift) and gives the sum.", ins: f32(1), scalars: 2, outs: out(weight), folds: []fold{{"VADDPS", weight}}},
		{name: "weightsBF16", doc: "is weights rounded to BF16; the sum is of the numbers before rounding.", ins: f32(1), scalars: 2,
			outs: []output{{"bf16", weight}}, folds: []fold{{"VADDPS", weight}}},
		{name: "slopes", doc: "takes scores and the gradients of the weights; the scalars are scale, shift and delta.", ins: f32(2), scalars: 3,
			outs: []output{{"f32", prob}, {"f32", scoreSlope}}},
	}
}
