package infer

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"quire/lib/checkpoint"
	"quire/lib/model"
	"quire/simd/dtype"
	"quire/simd/ref"
	"quire/simd/tensor"
)

// formatConfig has rows for blocks of 256 and groups of 128.
func formatConfig() model.Config {
	c := tinyConfig()
	c.HiddenSize, c.IntermediateSize, c.NumHeads, c.NumKVHeads, c.HeadDim, c.NumLayers = 256, 512, 4, 2, 64, 2
	return c
}

// dequantized opens a file's numbers as F32.
func dequantized(t *testing.T, path string) (model.Config, *model.Weights) {
	t.Helper()
	m, err := checkpoint.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	w, err := m.Config.Fuse(ref.Backend{}, m.Weights, dtype.F32)
	if err != nil {
		t.Fatal(err)
	}
	return m.Config, w
}

// sameModel scores a text with the engine on a file and with plain loops over the weights that the file stands for, and fails if log-probabilities differ by more than bound on average, or if those
// of the text are so alike that this says nothing.
func sameModel(t *testing.T, name, path string, c model.Config, w *model.Weights, bound float64) {
	t.Helper()
	m, err := model.New(ref.Backend{}, c, w)
	if err != nil {
		t.Fatal(err)
	}
	want, err := New(m, nil, Config{Backend: ref.Backend{}})
	if err != nil {
		t.Fatal(err)
	}
	defer want.Close()
	got, err := Open(path, Config{PackedDir: NoPackedDir})
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	pair := []Pair{{prompt(1, 1), prompt(40, 9)}}
	a, err := got.Score(t.Context(), pair)
	if err != nil {
		t.Fatal(err)
	}
	b, err := want.Score(t.Context(), pair)
	if err != nil {
		t.Fatal(err)
	}
	var off, spread float64
	for i, v := range b[0].LogProbs {
		off += math.Abs(float64(v - a[0].LogProbs[i]))
		spread += math.Abs(float64(v - b[0].LogProbs[0]))
	}
	n := float64(len(b[0].LogProbs))
	t.Logf("%s: log-probabilities are off by %.4f of %.2f on average", name, off/n, spread/n)
	if !(off/n <= bound) || spread/n < 10*bound {
		t.Errorf("%s: log-probabilities are off by %.4f on average, and differ by %.4f from each other: want at most %v, and ten times that", name, off/n, spread/n, bound)
	}
}

// TestEveryFormat: GGUF of every type, read by the engine, is the model of the numbers that the file stands for.
func TestEveryFormat(t *testing.T) {
	c := formatConfig()
	w := c.NewWeights(tensor.Heap, dtype.F32)
	w.Init(c, 3)
	for _, x := range w.All() {
		if x.Rank() == 2 {
			for i := range x.F32() {
				x.F32()[i] *= 6
			}
		}
	}
	for _, dt := range []dtype.Type{dtype.F32, dtype.F16, dtype.BF16, dtype.Q8_0, dtype.Q5_1, dtype.Q5_0, dtype.Q4_1, dtype.Q4_0, dtype.Q6_K, dtype.Q5_K, dtype.Q4_K} {
		path := filepath.Join(t.TempDir(), "x.gguf")
		if err := checkpoint.SaveGGUF(path, c, w, nil, func(string) dtype.Type { return dt }); err != nil {
			t.Fatal(err)
		}
		bound := 0.1 // activations of 16 bits, rounded to 8 for products with blocks
		if dt == dtype.F32 || dt == dtype.F16 {
			bound = 1e-4
		}
		c, w := dequantized(t, path)
		sameModel(t, dt.String(), path, c, w, bound)
	}
}

// quantizer is a program of others that writes folders. What is said of it here is taken from its published layout and shares nothing with lib/checkpoint's reader.
type quantizer struct {
	name      string
	family    model.Family // whose names of tensors it writes
	config    string       // quantization_config
	gptq      bool         // rows of K lie in a word, zero points are stored less one
	reordered bool         // GPTQ's desc_act: g_idx is not ascending
}

var quantizers = []quantizer{
	{"AutoAWQ", model.Llama, `{"quant_method":"awq","zero_point":true,"group_size":128,"bits":4,"version":"gemm","modules_to_not_convert":null}`, false, false},
	{"LMDeploy", model.InternLM2, `{"quant_method":"awq","version":"gemm","bits":4,"group_size":128,"zero_point":true}`, false, false},
	{"AutoGPTQ", model.Llama, `{"quant_method":"gptq","bits":4,"group_size":128,"damp_percent":0.01,"desc_act":false,"sym":false,"true_sequential":true}`, true, false},
	{"AutoGPTQ desc_act", model.Llama, `{"quant_method":"gptq","bits":4,"group_size":128,"damp_percent":0.1,"desc_act":true,"sym":false}`, true, true},
}

// matrix returns the tensors of a random matrix of k inputs and n outputs, and its numbers scale·(code − zero), row by output.
func (q quantizer) matrix(rng *rand.Rand, k, n int) (tensors map[string]tensor.Tensor, rows []float32) {
	const group = 128
	codes, zeros, scales, index := make([]uint32, k*n), make([]uint32, k/group*n), make([]uint16, k/group*n), make([]int32, k)
	for i := range zeros {
		zeros[i], scales[i] = 1+rng.Uint32N(15), dtype.F32ToF16(0.01+0.02*rng.Float32())
	}
	for i := range index {
		index[i] = int32(i / group)
	}
	if q.reordered {
		rng.Shuffle(k, func(i, j int) { index[i], index[j] = index[j], index[i] })
	}
	rows = make([]float32, n*k)
	for i := range k {
		for j := range n {
			codes[i*n+j] = rng.Uint32N(16)
			g := int(index[i])*n + j
			rows[j*k+i] = dtype.F16ToF32(scales[g]) * (float32(codes[i*n+j]) - float32(zeros[g]))
		}
	}
	tensors = map[string]tensor.Tensor{".scales": tensor.FromU16(dtype.F16, scales, k/group, n)}
	if !q.gptq {
		tensors[".qweight"], tensors[".qzeros"] = tensor.FromI32(awqWords(codes), k, n/8), tensor.FromI32(awqWords(zeros), k/group, n/8)
		return tensors, rows
	}
	words, stored := make([]int32, k/8*n), make([]int32, k/group*n/8)
	for i, c := range codes {
		words[i/n/8*n+i%n] |= int32(c << (i / n % 8 * 4))
	}
	for i, z := range zeros {
		stored[i/8] |= int32((z - 1) << (i % 8 * 4))
	}
	tensors[".qweight"], tensors[".qzeros"] = tensor.FromI32(words, k/8, n), tensor.FromI32(stored, k/group, n/8)
	tensors[".g_idx"], tensors[".bias"] = tensor.FromI32(index, k), tensor.New(dtype.F16, n)
	return tensors, rows
}

// awqWords packs eight columns to a word, of which nibble i is column 0, 2, 4, 6, 1, 3, 5, 7.
func awqWords(codes []uint32) []int32 {
	words := make([]int32, len(codes)/8)
	for w := range words {
		for i, column := range [8]int{0, 2, 4, 6, 1, 3, 5, 7} {
			words[w] |= int32(codes[8*w+column] << (4 * i))
		}
	}
	return words
}

// write writes a folder and returns the weights that it stands for.
func (q quantizer) write(t *testing.T, dir string) (model.Config, *model.Weights) {
	t.Helper()
	c := formatConfig()
	c.Family = q.family
	w := c.NewWeights(tensor.Heap, dtype.F32)
	w.Init(c, 5)
	names := strings.NewReplacer()
	if q.family == model.InternLM2 {
		names = strings.NewReplacer("embed_tokens", "tok_embeddings", "self_attn.qkv_proj", "attention.wqkv", "self_attn.o_proj", "attention.wo", "mlp.gate_proj", "feed_forward.w1",
			"mlp.up_proj", "feed_forward.w3", "mlp.down_proj", "feed_forward.w2", "input_layernorm", "attention_norm", "post_attention_layernorm", "ffn_norm", "lm_head", "output")
	}
	var all []checkpoint.Named
	add := func(name string, x tensor.Tensor) {
		all = append(all, checkpoint.Named{Name: names.Replace(name), Tensor: x})
	}
	plain := func(name string, x tensor.Tensor) {
		half := tensor.New(dtype.F16, x.Shape()...)
		half.SetFloats(x.Floats())
		x.SetFloats(half.Floats())
		add(name+".weight", half)
	}
	rng := rand.New(rand.NewPCG(2, 3))
	packed := func(name string, k, n int) []float32 {
		tensors, rows := q.matrix(rng, k, n)
		for part, x := range tensors {
			add(name+part, x)
		}
		return rows
	}
	for i := range w.Embed.F32() {
		w.Embed.F32()[i] *= 20
		w.Head.F32()[i] *= 6
	}
	plain("model.embed_tokens", w.Embed)
	plain("model.norm", w.Norm)
	plain("lm_head", w.Head)
	hidden, kv := c.HiddenSize, c.NumKVHeads*c.HeadDim
	for i, l := range w.Layers {
		at := fmt.Sprintf("model.layers.%d.", i)
		plain(at+"input_layernorm", l.AttnNorm)
		plain(at+"post_attention_layernorm", l.MLPNorm)
		qkv := l.QKV.Parts[0].F32()
		if q.family == model.InternLM2 { // for each key-value head its query heads, its key, its value
			rows, shared, size := packed(at+"self_attn.qkv_proj", hidden, hidden+2*kv), c.NumHeads/c.NumKVHeads, c.HeadDim*hidden
			for h := range c.NumKVHeads {
				group := rows[h*(shared+2)*size:]
				copy(qkv[h*shared*size:], group[:shared*size])
				copy(qkv[(c.NumHeads+h)*size:], group[shared*size:(shared+1)*size])
				copy(qkv[(c.NumHeads+c.NumKVHeads+h)*size:], group[(shared+1)*size:(shared+2)*size])
			}
		} else {
			for _, part := range []struct {
				name string
				n    int
			}{{"q", hidden}, {"k", kv}, {"v", kv}} {
				qkv = qkv[copy(qkv, packed(at+"self_attn."+part.name+"_proj", hidden, part.n)):]
			}
		}
		copy(l.Out.Parts[0].F32(), packed(at+"self_attn.o_proj", hidden, hidden))
		rows := l.GateUp.Parts[0].F32()
		copy(rows[copy(rows, packed(at+"mlp.gate_proj", hidden, c.IntermediateSize)):], packed(at+"mlp.up_proj", hidden, c.IntermediateSize))
		copy(l.Down.Parts[0].F32(), packed(at+"mlp.down_proj", c.IntermediateSize, hidden))
	}
	if err := checkpoint.WriteSafetensors(filepath.Join(dir, "model.safetensors"), nil, all); err != nil {
		t.Fatal(err)
	}
	config := strings.TrimSuffix(strings.TrimSpace(string(c.JSON())), "}") + `,"quantization_config":` + q.config + "}"
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	return c, w
}

// TestPackedFolders: folders in the layouts of AutoAWQ, LMDeploy and AutoGPTQ, read by the engine, are the models of the numbers that were packed.
func TestPackedFolders(t *testing.T) {
	for _, q := range quantizers {
		dir := t.TempDir()
		c, w := q.write(t, dir)
		sameModel(t, q.name, dir, c, w, 0.1)
	}
}
