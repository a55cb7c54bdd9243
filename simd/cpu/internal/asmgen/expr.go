package asmgen

import (
	"fmt"
	"math"
)

// node is a vector value of an element-wise kernel: an expression that is printed once for each vector of the operands.
type node struct {
	op   string
	args []*node
	imm  float32 // of a constant
	i    int     // of an operand or scalar
}

func in(i int) *node         { return &node{op: "in", i: i} }     // operand i
func scalar(i int) *node     { return &node{op: "scalar", i: i} } // float32 i of the constants, broadcast
func con(v float64) *node    { return &node{op: "con", imm: float32(v)} }
func bits(v uint32) *node    { return &node{op: "con", imm: math.Float32frombits(v)} }
func add(a, b *node) *node   { return &node{op: "VADDPS", args: []*node{a, b}} }
func sub(a, b *node) *node   { return &node{op: "VSUBPS", args: []*node{a, b}} }
func mul(a, b *node) *node   { return &node{op: "VMULPS", args: []*node{a, b}} }
func div(a, b *node) *node   { return &node{op: "VDIVPS", args: []*node{a, b}} }
func and(a, b *node) *node   { return &node{op: "VANDPS", args: []*node{a, b}} }
func xor(a, b *node) *node   { return &node{op: "VXORPS", args: []*node{a, b}} }
func least(a, b *node) *node { return &node{op: "VMINPS", args: []*node{a, b}} } // b where either is NaN
func most(a, b *node) *node  { return &node{op: "VMAXPS", args: []*node{a, b}} } // b where either is NaN
func sqrt(a *node) *node     { return &node{op: "VSQRTPS", args: []*node{a}} }
func round(a *node) *node    { return &node{op: "round", args: []*node{a}} }
func fma(a, b, c *node) *node {
	return &node{op: "fma", args: []*node{a, b, c}} // a·b + c
}
func fnma(a, b, c *node) *node {
	return &node{op: "fnma", args: []*node{a, b, c}} // c − a·b
}
func fms(a, b, c *node) *node {
	return &node{op: "fms", args: []*node{a, b, c}} // a·b − c
}
func pow2(a, n *node) *node { return &node{op: "pow2", args: []*node{a, n}} } // a·2ⁿ for whole n

// poly is Horner's rule, highest coefficient first.
func poly(x *node, c ...float64) *node {
	p := con(c[0])
	for _, v := range c[1:] {
		p = fma(p, x, con(v))
	}
	return p
}

// exp is eˣ within 2 units of the last place, 0 and +Inf outside the range and NaN for NaN: x = n·ln2 + r, with the polynomial of Moshier's Cephes for |r| ≤ ln2/2.
func exp(x *node) *node {
	return decay(least(con(89), x))
}

// decay is exp without the bound above: for arguments that are not large, and NaN.
func decay(x *node) *node {
	x = most(con(-104), x)
	n := round(mul(x, con(math.Log2E)))
	r := fnma(n, con(-2.12194440e-4), fnma(n, con(0.693359375), x))
	p := poly(r, 1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)
	return pow2(add(fma(mul(p, r), r, r), con(1)), n)
}

// fastDecay is decay for weights that are divided by their sum: its relative error grows by a quarter of 2⁻²⁴ with each unit of x, less than the rounding of x itself.
func fastDecay(x *node) *node {
	x = most(con(-104), x)
	n := round(mul(x, con(math.Log2E)))
	return pow2(poly(fms(x, con(math.Log2E), n), exp2Coefficients...), n)
}

func sigmoid(x *node) *node { return div(con(1), add(exp(xor(x, bits(1<<31))), con(1))) }

// finite keeps −Inf from meeting a zero: silu(−Inf) is 0.
func finite(x *node) *node { return most(con(-math.MaxFloat32), x) }

func silu(x *node) *node { return mul(finite(x), sigmoid(x)) }

// slope is the derivative of silu: σ·(1 + x·(1−σ)); at large |x| the second term is 0, also for the infinities.
func slope(x *node) *node {
	s := sigmoid(x)
	bounded := most(con(-200), least(con(200), x))
	return fma(mul(bounded, s), sub(con(1), s), s)
}

// plan counts the readers of each node of an expression and lists the nodes, operands first.
func (e *emitter) plan(n *node) {
	e.uses[n]++
	if e.uses[n] > 1 {
		return
	}
	for _, a := range n.args {
		e.plan(a)
	}
	e.order = append(e.order, n)
}

// emitter prints one instance of an expression.
type emitter struct {
	f      *file
	t      isa
	k      *elementwise
	uses   map[*node]int
	order  []*node
	reg    map[*node]int
	free   []int
	off    int // bytes of float32 from the position register
	tail   bool
	mask   int            // register of the tail's mask (AVX2)
	spare  int            // registers that were never used
	consts map[uint32]int // constants in registers
}

func (e *emitter) alloc() int {
	if len(e.free) == 0 {
		panic("asmgen: " + e.k.name + ": out of registers")
	}
	r := e.free[len(e.free)-1]
	e.free = e.free[:len(e.free)-1]
	e.spare = min(e.spare, len(e.free))
	return r
}

// done tells that one reader of n is served.
func (e *emitter) done(n *node) {
	e.uses[n]--
	if r, ok := e.reg[n]; ok && e.uses[n] == 0 && n.op != "scalar" {
		e.free = append(e.free, r)
	}
}

// operand is how an instruction names n: a register, or the memory of a constant.
func (e *emitter) operand(n *node) string {
	if r, ok := e.kept(n); ok {
		return e.t.v(r)
	}
	if n.op == "con" {
		return e.f.splat(n.imm)
	}
	return e.t.v(e.reg[n])
}

// kept is the register of a constant that has one.
func (e *emitter) kept(n *node) (r int, ok bool) {
	if n.op == "con" {
		r, ok = e.consts[math.Float32bits(n.imm)]
	}
	return r, ok
}

// inReg returns a register that holds n and may be overwritten.
func (e *emitter) inReg(n *node) int {
	if n.op != "con" && n.op != "scalar" && e.uses[n] == 1 {
		r := e.reg[n]
		e.uses[n]--
		return r
	}
	r := e.alloc()
	e.f.i("VMOVUPS", e.operand(n), e.t.v(r))
	e.done(n)
	return r
}

// asReg returns the name of a register that holds n, for instructions whose operand cannot be memory.
func (e *emitter) asReg(n *node) (name string, release func()) {
	if _, kept := e.kept(n); kept || n.op != "con" {
		return e.operand(n), func() { e.done(n) }
	}
	r := e.alloc()
	e.f.i("VMOVUPS", e.operand(n), e.t.v(r))
	return e.t.v(r), func() { e.done(n); e.free = append(e.free, r) }
}

func (e *emitter) emit(n *node) {
	switch n.op {
	case "con", "scalar":
		return
	case "in":
		r := e.alloc()
		e.k.load(e, n.i, r)
		e.reg[n] = r
	case "fma", "fnma", "fms":
		e.emitFMA(n)
	case "pow2":
		e.emitPow2(n)
	case "round", "VSQRTPS":
		src := e.operand(n.args[0])
		e.done(n.args[0])
		r := e.alloc()
		switch {
		case n.op == "VSQRTPS":
			e.f.i("VSQRTPS", src, e.t.v(r))
		case e.t.bytes == 64:
			e.f.i("VRNDSCALEPS", "$8", src, e.t.v(r))
		default:
			e.f.i("VROUNDPS", "$8", src, e.t.v(r))
		}
		e.reg[n] = r
	default:
		a, release := e.asReg(n.args[0])
		b := e.operand(n.args[1])
		release()
		e.done(n.args[1])
		r := e.alloc()
		e.f.i(n.op, b, a, e.t.v(r))
		e.reg[n] = r
	}
}

// emitFMA uses the form whose overwritten operand is c, or a where c is a constant.
func (e *emitter) emitFMA(n *node) {
	a, b, c := n.args[0], n.args[1], n.args[2]
	verb := map[string]string{"fma": "VFMADD", "fnma": "VFNMADD", "fms": "VFMSUB"}[n.op]
	if a.op == "con" {
		a, b = b, a
	}
	if c.op == "con" {
		bName, release := e.asReg(b)
		r := e.inReg(a)
		e.f.i(verb+"213PS", e.operand(c), bName, e.t.v(r))
		release()
		e.done(c)
		e.reg[n] = r
		return
	}
	aName, release := e.asReg(a)
	r := e.inReg(c)
	e.f.i(verb+"231PS", e.operand(b), aName, e.t.v(r))
	release()
	e.done(b)
	e.reg[n] = r
}

// emitPow2 is one instruction of AVX-512; AVX2 multiplies by 2 to the halves of n, so that denormals and overflow come out right.
func (e *emitter) emitPow2(n *node) {
	a, k := n.args[0], n.args[1]
	r, kr := e.inReg(a), e.inReg(k)
	e.reg[n] = r
	v, kv := e.t.v(r), e.t.v(kr)
	if e.t.bytes == 64 {
		e.f.i("VSCALEFPS", kv, v, v)
		e.free = append(e.free, kr)
		return
	}
	h := e.alloc()
	hv := e.t.v(h)
	e.f.i("VCVTPS2DQ", kv, kv)
	e.f.i("VPSRAD", "$1", kv, hv)
	e.f.i("VPSUBD", hv, kv, kv)
	for _, x := range []string{hv, kv} {
		e.f.i("VPADDD", e.f.splat(math.Float32frombits(127)), x, x)
		e.f.i("VPSLLD", "$23", x, x)
		e.f.i("VMULPS", x, v, v)
	}
	e.free = append(e.free, kr, h)
}

// splat names a read-only vector of one value, declaring it at its first use.
func (f *file) splat(v float32) string {
	b := math.Float32bits(v)
	name := fmt.Sprintf("splat%08x", b)
	if f.splats == nil {
		f.splats = map[string]uint32{}
	}
	f.splats[name] = b
	return name + "<>(SB)"
}

func (f *file) splatBits(b uint32) string { return f.splat(math.Float32frombits(b)) }
