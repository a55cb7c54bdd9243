package dtype

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// NF4Table has the 16 values of the 4-bit NormalFloat: bitsandbytes' constants, quantiles of a normal distribution scaled to [−1, 1].
var NF4Table = [16]float32{
	-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0,
	0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
}

// NF4 block sizes: weights a scale, and first-level scales a second-level scale.
const (
	nf4Block    = 64
	doubleBlock = 256
)

// DoubleQuant is a flattened NF4 weight as bitsandbytes stores it with compress_statistics: QLoRA's 4.127 bits a weight.
type DoubleQuant struct {
	Codes   []byte    // two a byte, high nibble first
	AbsMax  []byte    // one a 64 weights: index into DynamicTable
	AbsMax2 []float32 // one a 256 of AbsMax
	Offset  float32   // mean of the first-level scales
}

// Compress quantises the scales of NF4 blocks a second time.
func Compress(blocks []byte) (DoubleQuant, error) {
	size := layouts[NF4].bytes
	if len(blocks)%size != 0 {
		return DoubleQuant{}, fmt.Errorf("dtype: NF4: %d bytes are no blocks of %d", len(blocks), size)
	}
	n := len(blocks) / size
	q := DoubleQuant{Codes: make([]byte, 0, n*nf4Block/2), AbsMax: make([]byte, n), AbsMax2: make([]float32, (n+doubleBlock-1)/doubleBlock)}
	scales := make([]float32, n)
	var sum float64
	for i := range scales {
		b := blocks[i*size:]
		scales[i] = math.Float32frombits(binary.LittleEndian.Uint32(b))
		sum += float64(scales[i])
		q.Codes = append(q.Codes, b[4:size]...)
	}
	if n > 0 {
		q.Offset = float32(sum / float64(n))
	}
	for i := range q.AbsMax2 {
		part := scales[i*doubleBlock : min((i+1)*doubleBlock, n)]
		var most float32
		for j := range part {
			part[j] -= q.Offset
			most = max(most, abs(part[j]))
		}
		q.AbsMax2[i] = most
		inv := inverse(most)
		for j, v := range part {
			q.AbsMax[i*doubleBlock+j] = nearestEntry(&DynamicTable, v*inv)
		}
	}
	return q, nil
}

// Blocks returns the weight as NF4 blocks with the scales that the second level gives back.
func (q DoubleQuant) Blocks() ([]byte, error) {
	n, size := len(q.AbsMax), layouts[NF4].bytes
	if len(q.Codes) != n*nf4Block/2 || len(q.AbsMax2) != (n+doubleBlock-1)/doubleBlock {
		return nil, fmt.Errorf("dtype: NF4: %d code bytes, %d scales, %d second-level scales do not fit", len(q.Codes), n, len(q.AbsMax2))
	}
	out := make([]byte, n*size)
	for i, c := range q.AbsMax {
		b := out[i*size : (i+1)*size]
		scale := mul(DynamicTable[c], q.AbsMax2[i/doubleBlock]) + q.Offset
		binary.LittleEndian.PutUint32(b, math.Float32bits(scale))
		copy(b[4:], q.Codes[i*nf4Block/2:])
	}
	return out, nil
}

func dequantNF4(dst []float32, b []byte) {
	scale := math.Float32frombits(binary.LittleEndian.Uint32(b))
	for i, c := range b[4:] {
		dst[2*i], dst[2*i+1] = scale*NF4Table[c>>4], scale*NF4Table[c&15]
	}
}

func quantNF4(b []byte, x []float32) {
	var most float32
	for _, v := range x {
		most = max(most, abs(v))
	}
	binary.LittleEndian.PutUint32(b, math.Float32bits(most))
	inv := inverse(most)
	for i := range b[4:] {
		b[4+i] = nf4Code(x[2*i]*inv)<<4 | nf4Code(x[2*i+1]*inv)
	}
}

// nf4Code is the index of the nearest entry; a tie goes to the lower one, as in bitsandbytes.
func nf4Code(v float32) byte {
	code := byte(0)
	for code < 15 && v > nf4Bounds[code] {
		code++
	}
	return code
}

// nf4Bounds are the decision thresholds between neighbours of NF4Table.
var nf4Bounds = func() (bounds [15]float32) {
	for i := range bounds {
		bounds[i] = float32((float64(NF4Table[i]) + float64(NF4Table[i+1])) / 2)
	}
	return bounds
}()

// DynamicTable is the 8-bit dynamic code that bitsandbytes uses for second-level scales (Dettmers 2016, arXiv:1511.04561): a sign, a decimal exponent in
// unary and a linear fraction, in ascending order.
var DynamicTable = func() (table [256]float32) {
	values := []float64{0, 1}
	for exp := range 7 {
		steps := 1 << exp
		for j := range steps {
			// The mean of neighbouring boundaries of linspace(0.1, 1, steps+1), times 10^(exp−6).
			lo, hi := 0.1+0.9*float64(j)/float64(steps), 0.1+0.9*float64(j+1)/float64(steps)
			v := (lo + hi) / 2 * math.Pow(10, float64(exp-6))
			values = append(values, v, -v)
		}
	}
	slices.Sort(values)
	for i, v := range values {
		table[i] = float32(v)
	}
	return table
}()

func nearestEntry(table *[256]float32, v float32) byte {
	best := 0
	for i := range table {
		if abs(table[i]-v) < abs(table[best]-v) {
			best = i
		}
	}
	return byte(best)
}
