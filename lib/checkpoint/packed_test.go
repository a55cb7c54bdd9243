package checkpoint

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"quire/lib/model"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

// packedModel is wide enough for groups of 128.
func packedModel() model.Config {
	c := small()["internlm2"]
	c.HiddenSize, c.NumHeads, c.NumKVHeads, c.HeadDim, c.IntermediateSize = 128, 4, 2, 32, 256
	return c
}

// TestAWQFolder writes AWQ4 weights, reads them back, and decodes the words of one matrix by LMDeploy's rule.
func TestAWQFolder(t *testing.T) {
	c := packedModel()
	for _, llama := range []bool{false, true} {
		w := random(c, dtype.F32)
		for i := range w.Layers {
			l := &w.Layers[i]
			for _, lin := range []*model.Linear{&l.QKV, &l.Out, &l.GateUp, &l.Down} {
				q := tensor.New(dtype.AWQ4, lin.Parts[0].Shape()...)
				q.SetFloats(lin.Parts[0].Floats())
				lin.Parts[0] = q
			}
		}
		dir := t.TempDir()
		if err := SaveHF(dir, c, w, SaveOptions{LlamaNames: llama}); err != nil {
			t.Fatal(err)
		}
		m := load(t, dir)
		sameWeights(t, fmt.Sprint("AWQ, Llama's names ", llama), m.Weights, w)
		if got := m.Weights.Layers[0].QKV.Parts[0].DType(); got != dtype.AWQ4 {
			t.Errorf("read as %v: want the packed numbers as they are", got)
		}
		if llama {
			continue
		}
		files, err := OpenSafetensors(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer files.Close()
		name := "model.layers.0.feed_forward.w2."
		qweight, err1 := files.Tensor(name + "qweight")
		qzeros, err2 := files.Tensor(name + "qzeros")
		scales, err3 := files.Tensor(name + "scales")
		if err1 != nil || err2 != nil || err3 != nil || qweight.String() != "I32 [256 16]" || qzeros.String() != "I32 [2 16]" || scales.String() != "F16 [2 128]" {
			t.Fatalf("%v, %v, %v (%v, %v, %v)", qweight, qzeros, scales, err1, err2, err3)
		}
		want := w.Layers[0].Down.Parts[0].Floats()
		order := []int{0, 2, 4, 6, 1, 3, 5, 7} // nibble i of a word is column order[i]
		for k := range 256 {
			for word := range 16 {
				for nibble, column := range order {
					n := word*8 + column
					q := int(uint32(qweight.I32()[k*16+word]) >> (4 * nibble) & 15)
					z := int(uint32(qzeros.I32()[k/128*16+word]) >> (4 * nibble) & 15)
					if got := dtype.F16ToF32(scales.U16()[k/128*128+n]) * float32(q-z); got != want[n*256+k] {
						t.Fatalf("weight (%d, %d) is %v, want %v", n, k, got, want[n*256+k])
					}
				}
			}
		}
	}
}

// gptqCase is one way in which GPTQ folders are written.
type gptqCase struct {
	bits, group int
	actOrder    bool
	v2          bool
	topZero     bool // a zero point of 2^bits, which the stored-less-one form can say
	want        dtype.Type
}

// TestGPTQFolders writes folders as AutoGPTQ packs them and compares with scale·(q − zero).
func TestGPTQFolders(t *testing.T) {
	for _, g := range []gptqCase{
		{bits: 4, group: 128, want: dtype.AWQ4},
		{bits: 4, group: 128, v2: true, want: dtype.AWQ4},
		{bits: 4, group: 128, topZero: true, want: dtype.F16},
		{bits: 4, group: 128, actOrder: true, want: dtype.F16},
		{bits: 4, group: 64, want: dtype.F16},
		{bits: 4, group: -1, want: dtype.F16},
		{bits: 8, group: 128, want: dtype.F16},
		{bits: 2, group: 32, actOrder: true, want: dtype.F16},
	} {
		c := packedModel()
		c.Family = model.Llama
		dir := t.TempDir()
		wanted := writeGPTQ(t, dir, c, g)
		m := load(t, dir)
		got := m.Weights.Layers[1].Down.Parts[0]
		if got.DType() != g.want {
			t.Errorf("%+v: read as %v", g, got)
		}
		for i, v := range got.Floats() {
			want := wanted["model.layers.1.mlp.down_proj"][i]
			if g.want == dtype.F16 {
				want = dtype.F16ToF32(dtype.F32ToF16(want))
			}
			if v != want {
				t.Errorf("%+v: weight %d is %v, want %v", g, i, v, want)
				break
			}
		}
	}
}

// writeGPTQ writes a model with random packed matrices and returns their rows.
func writeGPTQ(t *testing.T, dir string, c model.Config, g gptqCase) map[string][]float32 {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, uint64(g.bits)))
	want := map[string][]float32{}
	var out []Named
	w := random(c, dtype.F16)
	for _, p := range (target{}).list(c, w) {
		base, n := p.name[:len(p.name)-len(".weight")], p.shape[0]
		pieces, err := p.pieces()
		if err != nil {
			t.Fatal(err)
		}
		if len(p.shape) == 1 || base == "model.embed_tokens" || base == "lm_head" {
			out = append(out, Named{p.name, pieces[0]})
			continue
		}
		tensors, rows := packGPTQ(rng, p.shape[1], n, g)
		want[base] = rows
		for name, x := range tensors {
			out = append(out, Named{base + name, x})
		}
	}
	if err := WriteSafetensors(dir+"/model.safetensors", nil, out); err != nil {
		t.Fatal(err)
	}
	format := ""
	if g.v2 {
		format = `, "checkpoint_format": "gptq_v2"`
	}
	config := c.JSON()
	config = fmt.Appendf(config[:len(config)-2], `,"quantization_config": {"quant_method": "gptq", "bits": %d, "group_size": %d, "desc_act": %v%s}}`, g.bits, g.group, g.actOrder, format)
	if err := os.WriteFile(dir+"/config.json", config, 0o644); err != nil {
		t.Fatal(err)
	}
	return want
}

func packGPTQ(rng *rand.Rand, k, n int, g gptqCase) (tensors map[string]tensor.Tensor, rows []float32) {
	group := g.group
	if group == -1 {
		group = k
	}
	per, groups, levels := 32/g.bits, k/group, 1<<g.bits
	qweight, qzeros, scales, gidx := make([]int32, k/per*n), make([]int32, groups*n/per), make([]uint16, groups*n), make([]int32, k)
	zeros := make([]int, groups*n)
	for i := range zeros {
		if zeros[i] = 1 + rng.IntN(levels-1); g.topZero && i%7 == 0 {
			zeros[i] = levels
		}
		scales[i] = dtype.F32ToF16(rng.Float32() / 16)
		stored := zeros[i] - 1
		if g.v2 {
			stored++
		}
		group, column := i/n, i%n
		qzeros[group*(n/per)+column/per] |= int32(uint32(stored) << (column % per * g.bits))
	}
	for i := range gidx {
		gidx[i] = int32(i / group)
	}
	if g.actOrder {
		rng.Shuffle(k, func(i, j int) { gidx[i], gidx[j] = gidx[j], gidx[i] })
	}
	rows = make([]float32, n*k)
	for i := range k {
		for j := range n {
			q := rng.IntN(levels)
			qweight[i/per*n+j] |= int32(uint32(q) << (i % per * g.bits))
			at := int(gidx[i])*n + j
			rows[j*k+i] = dtype.F16ToF32(scales[at]) * float32(q-zeros[at])
		}
	}
	return map[string]tensor.Tensor{".qweight": tensor.FromI32(qweight, k/per, n), ".qzeros": tensor.FromI32(qzeros, groups, n/per),
		".scales": tensor.FromU16(dtype.F16, scales, groups, n), ".g_idx": tensor.FromI32(gidx, k)}, rows
}

func TestPackedRefusals(t *testing.T) {
	for want, config := range map[string]string{
		"want awq, gemm, 4 bits": `{"quantization_config":{"quant_method":"bitsandbytes","bits":4}}`,
		`version "marlin"`:       `{"quantization_config":{"quant_method":"awq","version":"marlin","bits":4,"group_size":128}}`,
		"group_size 0":           `{"quantization_config":{"quant_method":"awq","bits":4,"group_size":0}}`,
		"or gptq of 2, 4 or 8":   `{"quantization_config":{"quant_method":"gptq","bits":3,"group_size":128}}`,
	} {
		if _, err := parsePacking([]byte(config)); err == nil || !contains(err, want) {
			t.Errorf("%s: %v, want %s", config, err, want)
		}
	}
	p := packing{method: "gptq", bits: 4, group: 8}
	parts := map[string]tensor.Tensor{"w.qweight": tensor.New(dtype.I32, 2, 8), "w.qzeros": tensor.New(dtype.I32, 2, 1), "w.scales": tensor.New(dtype.F16, 2, 8), "w.g_idx": tensor.New(dtype.I32, 16)}
	find := func(name string) (tensor.Tensor, error) { return parts[name], nil }
	has := func(string) bool { return true }
	parts["w.g_idx"].I32()[3] = 2
	if _, err := p.tensor("w", find, has); err == nil || !contains(err, "row 3 is in group 2 of 2") {
		t.Errorf("a group that is not there: %v", err)
	}
	parts["w.g_idx"].I32()[3] = 1
	if x, err := p.tensor("w", find, has); err != nil || !slices.Equal(x.Shape(), []int{8, 16}) {
		t.Errorf("%v, %v", x, err)
	}
	parts["w.scales"] = tensor.New(dtype.F16, 1, 8)
	if _, err := p.tensor("w", find, has); err == nil || !contains(err, `tensor "w.scales" is F16 [1 8]: want F16 [2 8]`) {
		t.Errorf("too few scales: %v", err)
	}
}

// TestUnpackedEqualsDefinition compares with dtype's conversion, on a matrix of several cache lines that is no multiple of them.
func TestUnpackedEqualsDefinition(t *testing.T) {
	w := randomWords(256, 8*21)
	want, err := dtype.AWQ{K: w.k, N: w.n, QWeight: w.qweight, QZeros: w.qzeros, Scales: w.scales}.Rows()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(w.unpack().Bytes(), want) {
		t.Error("other rows than dtype.AWQ gives")
	}
}

// randomWords is a matrix as AutoAWQ packs it.
func randomWords(k, n int) *words {
	rng := rand.New(rand.NewPCG(4, 4))
	w := &words{packing: packing{method: "awq", bits: 4, group: 128, storedAsZ: true}, k: k, n: n, groupOf: make([]int32, k)}
	for i := range w.groupOf {
		w.groupOf[i] = int32(i / 128)
	}
	for range k * n / 8 {
		w.qweight = append(w.qweight, int32(rng.Uint32()))
	}
	for range k / 128 * n {
		w.scales = append(w.scales, dtype.F32ToF16(rng.Float32()))
	}
	for range k / 128 * n / 8 {
		w.qzeros = append(w.qzeros, int32(rng.Uint32()))
	}
	return w
}

// BenchmarkUnpackAWQ is what loading such folders costs, in bytes of AWQ4 rows.
func BenchmarkUnpackAWQ(b *testing.B) {
	w := randomWords(4096, 4096)
	b.SetBytes(int64(dtype.AWQ4.Bytes(w.n * w.k)))
	for b.Loop() {
		w.unpack()
	}
}
