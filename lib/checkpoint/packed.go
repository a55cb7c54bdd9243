package checkpoint

import (
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"

	"quire/simd/dtype"
	"quire/simd/tensor"
)

// packing is config.json's quantization_config of AWQ and GPTQ: integers of a few bits in words of 32, for y = x·W with W (K, N), and for every
// group of K a scale (F16) and a zero point: w = scale·(q − zero).
//
//	awq   qweight (K, N/8)    qzeros (K/group, N/8)    scales (K/group, N): eight columns a word, in AutoAWQ's order
//	gptq  qweight (K·bits/32, N)    qzeros (K/group, N·bits/32)    scales (K/group, N)    g_idx (K): rows of K one behind the other in a word; zeros are stored less one, but
//	      not by checkpoint_format gptq_v2
type packing struct {
	method    string
	bits      int
	group     int // -1: all of K
	storedAsZ bool
}

// parsePacking reads quantization_config; the zero packing means that there is none.
func parsePacking(config []byte) (packing, error) {
	var c struct {
		Quant *struct {
			Method  string `json:"quant_method"`
			Version string `json:"version"`
			Format  string `json:"checkpoint_format"`
			Bits    int    `json:"bits"`
			Group   int    `json:"group_size"`
		} `json:"quantization_config"`
	}
	if err := json.Unmarshal(config, &c); err != nil {
		return packing{}, fmt.Errorf("config.json: %w", err)
	}
	q := c.Quant
	switch {
	case q == nil:
		return packing{}, nil
	case q.Method == "awq" && q.Bits == 4 && (q.Version == "" || q.Version == "gemm"):
	case q.Method == "gptq" && slices.Contains([]int{2, 4, 8}, q.Bits):
	default:
		return packing{}, fmt.Errorf("config.json: quantization_config %s, version %q, %d bits: want awq, gemm, 4 bits, or gptq of 2, 4 or 8", q.Method, q.Version, q.Bits)
	}
	if q.Group != -1 && (q.Group < 1 || q.Group > 1<<20) {
		return packing{}, fmt.Errorf("config.json: quantization_config group_size %d: want -1 or more than 0", q.Group)
	}
	return packing{q.Method, q.Bits, q.Group, q.Method == "awq" || q.Format == "gptq_v2"}, nil
}

// words are the tensors of one packed matrix.
type words struct {
	packing
	k, n            int
	qweight, qzeros []int32
	scales          []uint16
	groupOf         []int32 // of each row of K
}

// tensor unpacks base's matrix to rows (N, K): as AWQ4 where that holds it exactly, else as F16.
func (p packing) tensor(base string, get func(name string) (tensor.Tensor, error), has func(name string) bool) (tensor.Tensor, error) {
	w, err := p.words(base, get, has)
	if err != nil {
		return none(err)
	}
	return w.unpack(), nil
}

// words finds the tensors of a matrix and checks that their shapes agree.
func (p packing) words(base string, get func(name string) (tensor.Tensor, error), has func(name string) bool) (*words, error) {
	w := &words{packing: p}
	perWord := 32 / p.bits
	q, err := get(base + ".qweight")
	if err != nil {
		return nil, err
	}
	if q.Rank() != 2 || q.DType() != dtype.I32 {
		return nil, fmt.Errorf("checkpoint: tensor %q is %v: want I32 of two axes", base+".qweight", q)
	}
	if w.k, w.n = q.Dim(0), q.Dim(1)*perWord; p.method == "gptq" {
		w.k, w.n = q.Dim(0)*perWord, q.Dim(1)
	}
	if p.group == -1 {
		w.group = max(w.k, 1)
	}
	if w.k%w.group != 0 || w.n%perWord != 0 {
		return nil, fmt.Errorf("checkpoint: tensor %q is %v: want groups of %d and %d columns a word", base+".qweight", q, w.group, perWord)
	}
	groups := w.k / w.group
	part := func(name string, dt dtype.Type, shape ...int) tensor.Tensor {
		var t tensor.Tensor
		if err == nil {
			t, err = get(base + name)
		}
		if err == nil && (t.DType() != dt || !slices.Equal(t.Shape(), shape)) {
			err = fmt.Errorf("checkpoint: tensor %q is %v: want %v %v beside %q %v", base+name, t, dt, shape, base+".qweight", q)
		}
		return t
	}
	zeros, scales := part(".qzeros", dtype.I32, groups, w.n/perWord), part(".scales", dtype.F16, groups, w.n)
	order := tensor.Tensor{}
	if p.method == "gptq" && has(base+".g_idx") {
		order = part(".g_idx", dtype.I32, w.k)
	}
	if err != nil {
		return nil, err
	}
	w.qweight, w.qzeros, w.scales = q.I32(), zeros.I32(), scales.U16()
	w.groupOf = make([]int32, w.k)
	for i := range w.groupOf {
		w.groupOf[i] = int32(i / w.group)
	}
	if !order.IsZero() {
		w.groupOf = order.I32()
	}
	for i, g := range w.groupOf {
		if g < 0 || int(g) >= groups {
			return nil, fmt.Errorf("checkpoint: tensor %q: row %d is in group %d of %d", base+".g_idx", i, g, groups)
		}
	}
	return w, nil
}

// code is the integer of row k, column n.
func (w *words) code(k, n int) uint32 {
	per, mask := 32/w.bits, uint32(1)<<w.bits-1
	if w.method == "awq" {
		return uint32(w.qweight[k*(w.n/per)+n/per]) >> awqShift[n%per] & mask
	}
	return uint32(w.qweight[k/per*w.n+n]) >> (k % per * w.bits) & mask
}

// zero is the zero point of a group and a column.
func (w *words) zero(g, n int) uint32 {
	per, mask := 32/w.bits, uint32(1)<<w.bits-1
	word := uint32(w.qzeros[g*(w.n/per)+n/per])
	switch {
	case w.method == "awq":
		return word >> awqShift[n%per] & mask
	case w.storedAsZ:
		return word >> (n % per * w.bits) & mask
	}
	return word>>(n%per*w.bits)&mask + 1
}

// awqShift is where AutoAWQ keeps column c of eight in a word.
var awqShift = [8]int{0, 16, 4, 20, 8, 24, 12, 28}

// fitsAWQ4 reports whether AWQ4 holds the matrix exactly: 4 bits, groups of 128 rows in order, zero points of 4 bits.
func (w *words) fitsAWQ4() bool {
	if w.bits != 4 || w.group != 128 {
		return false
	}
	for i, g := range w.groupOf {
		if int(g) != i/128 {
			return false
		}
	}
	for g := range w.k / 128 {
		for n := range w.n {
			if w.zero(g, n) > 15 {
				return false
			}
		}
	}
	return true
}

func (w *words) unpack() tensor.Tensor {
	if w.fitsAWQ4() {
		return w.awq4()
	}
	out := tensor.New(dtype.F16, w.n, w.k)
	bits := out.U16()
	_ = parallel(w.n, func(n int) error {
		for k := range w.k {
			g := int(w.groupOf[k])
			v := dtype.F16ToF32(w.scales[g*w.n+n]) * float32(int(w.code(k, n))-int(w.zero(g, n)))
			bits[n*w.k+k] = dtype.F32ToF16(v)
		}
		return nil
	})
	return out
}

// line is how many words of a row are unpacked together: those of a cache line.
const line = 16

// awq4 transposes the codes to rows of AWQ4 blocks: a scale, a zero point, and bytes of which byte i has the codes of weights i and i+64.
func (w *words) awq4() tensor.Tensor {
	out := tensor.New(dtype.AWQ4, w.n, w.k)
	data, groups, size := out.Bytes(), w.k/128, dtype.AWQ4.BlockBytes()
	wide := w.n
	codes := w.gptqCodes
	if w.method == "awq" {
		wide, codes = w.n/8, w.awqCodes
	}
	_ = parallel((wide+line-1)/line, func(tile int) error {
		lo, hi := tile*line, min((tile+1)*line, wide)
		for g := range groups {
			for n := lo * (w.n / wide); n < hi*(w.n/wide); n++ {
				scale, b := w.scales[g*w.n+n], data[(n*groups+g)*size:]
				b[0], b[1], b[2] = byte(scale), byte(scale>>8), byte(w.zero(g, n))
			}
			codes(data, g, lo, hi)
		}
		return nil
	})
	return out
}

// pairs puts the codes of two words into bytes, those of a in the low halves: even has codes 0, 2, 4, 6, odd has 1, 3, 5, 7.
func pairs(a, b int32) (even, odd uint32) {
	const low = 0x0f0f0f0f
	return uint32(a)&low | uint32(b)&low<<4, uint32(a)>>4&low | uint32(b)&^low
}

// awqCodes unpacks words lo to hi−1 of each row of group g; word i has columns 8·i to 8·i+7, of which 0, 2, 4, 6 come first.
func (w *words) awqCodes(data []byte, g, lo, hi int) {
	wide, size := w.n/8, dtype.AWQ4.BlockBytes()
	row := w.k / 128 * size
	for k := range 64 {
		a, b := w.qweight[(g*128+k)*wide:], w.qweight[(g*128+64+k)*wide:]
		for i := lo; i < hi; i++ {
			even, odd := pairs(a[i], b[i])
			dst := data[i*8*row+g*size+4+k:]
			dst[7*row] = byte(odd >> 24)
			dst[0], dst[4*row], dst[row], dst[5*row] = byte(even), byte(even>>8), byte(even>>16), byte(even>>24)
			dst[2*row], dst[6*row], dst[3*row] = byte(odd), byte(odd>>8), byte(odd>>16)
		}
	}
}

// gptqCodes unpacks columns lo to hi−1 of group g; a word has eight rows one behind the other.
func (w *words) gptqCodes(data []byte, g, lo, hi int) {
	size := dtype.AWQ4.BlockBytes()
	row := w.k / 128 * size
	for k := range 8 {
		a, b := w.qweight[(g*16+k)*w.n:], w.qweight[(g*16+8+k)*w.n:]
		for n := lo; n < hi; n++ {
			even, odd := pairs(a[n], b[n])
			dst := data[n*row+g*size+4+8*k:][:8]
			for i := range 4 {
				dst[2*i], dst[2*i+1] = byte(even>>(8*i)), byte(odd>>(8*i))
			}
		}
	}
}
