package model

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"quire/lib/token"
	"quire/simd"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

// shared finds a file of ../shared/data relative to the module's root, or skips the test by the file's name.
func shared(t testing.TB, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			path := filepath.Join(dir, "..", "shared", "data", name)
			if _, err := os.Stat(path); err != nil {
				t.Skipf("shared/data/%s is not there", name)
			}
			return path
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test")
		}
	}
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(shared(t, "weights/stories260K/"+name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// golden is golden-pytorch/golden.json.
type golden struct {
	Prompts []struct {
		IDs    []int32 `json:"ids"`
		Logits string  `json:"logits_file"`
	} `json:"prompts"`
	Corpus struct {
		Tokens int     `json:"n_tokens"`
		PPL    float64 `json:"ppl"`
	} `json:"corpus"`
	Grad struct {
		IDs   []int32 `json:"ids"`
		Loss  float64 `json:"loss"`
		Total float64 `json:"total_l2"`
	} `json:"grad"`
	AdamW struct {
		Rows  [][]int32 `json:"batch_ids"`
		LR    float64   `json:"lr"`
		Trace []struct {
			Loss float64 `json:"loss"`
			Norm float64 `json:"grad_norm_before_clip"`
		} `json:"trace"`
	} `json:"adamw_trace"`
}

func readGolden(t testing.TB) (g golden) {
	t.Helper()
	if err := json.Unmarshal(read(t, "golden-pytorch/golden.json"), &g); err != nil {
		t.Fatal(err)
	}
	return g
}

// stories reads the weights of checkpoint_legacy.bin, llama2.c's first format: seven sizes, then tensors of all layers by role.
func stories(t testing.TB) (Config, *Weights) {
	t.Helper()
	data := read(t, "checkpoint_legacy.bin")
	var head [7]int32
	for i := range head {
		head[i] = int32(binary.LittleEndian.Uint32(data[4*i:]))
	}
	c := Config{
		Family: Llama, HiddenSize: int(head[0]), IntermediateSize: int(head[1]), NumLayers: int(head[2]), NumHeads: int(head[3]), NumKVHeads: int(head[4]),
		HeadDim: int(head[0] / head[3]), VocabSize: int(head[5]), MaxSeqLen: int(head[6]), RMSNormEps: 1e-5, RopeTheta: 1e4, RopeInterleaved: true,
		TieWordEmbeddings: true, BOS: []uint32{1}, EOS: []uint32{2},
	}
	w := c.NewWeights(tensor.Heap, dtype.F32)
	data = data[28:]
	take := func(dst tensor.Tensor) {
		n := dst.NumBytes()
		copy(dst.Bytes(), data[:n])
		data = data[n:]
	}
	each := func(part func(l *Layer) tensor.Tensor) {
		for i := range w.Layers {
			take(part(&w.Layers[i]))
		}
	}
	q, kv, f := c.NumHeads*c.HeadDim, c.NumKVHeads*c.HeadDim, c.IntermediateSize
	take(w.Embed)
	each(func(l *Layer) tensor.Tensor { return l.AttnNorm })
	each(func(l *Layer) tensor.Tensor { return l.QKV.Parts[0].Slice(0, 0, q) })
	each(func(l *Layer) tensor.Tensor { return l.QKV.Parts[0].Slice(0, q, q+kv) })
	each(func(l *Layer) tensor.Tensor { return l.QKV.Parts[0].Slice(0, q+kv, q+2*kv) })
	each(func(l *Layer) tensor.Tensor { return l.Out.Parts[0] })
	each(func(l *Layer) tensor.Tensor { return l.MLPNorm })
	each(func(l *Layer) tensor.Tensor { return l.GateUp.Parts[0].Slice(0, 0, f) })
	each(func(l *Layer) tensor.Tensor { return l.Down.Parts[0] })
	each(func(l *Layer) tensor.Tensor { return l.GateUp.Parts[0].Slice(0, f, 2*f) })
	take(w.Norm)
	return c, w
}

// npy reads a float32 array.
func npy(t testing.TB, data []byte) []float32 {
	t.Helper()
	if !bytes.HasPrefix(data, []byte("\x93NUMPY\x01")) || !bytes.Contains(data[:128], []byte("'<f4'")) {
		t.Fatal("not a float32 .npy file of version 1")
	}
	data = data[10+int(binary.LittleEndian.Uint16(data[8:])):]
	x := make([]float32, len(data)/4)
	for i := range x {
		x[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return x
}

// sequences packs documents: ids, positions from 0 in each, offsets.
func sequences(docs ...[]int32) Batch {
	var ids, pos []int32
	cu := []int32{0}
	for _, d := range docs {
		for i, id := range d {
			ids, pos = append(ids, id), append(pos, int32(i))
		}
		cu = append(cu, int32(len(ids)))
	}
	return Batch{IDs: tensor.FromI32(ids, len(ids)), Pos: tensor.FromI32(pos, len(pos)), Cu: cu}
}

// examples packs rows of ids for training: each row predicts its next ids. The mean of all losses is learnt.
func examples(docs ...[]int32) Examples {
	var inputs [][]int32
	var labels []int32
	for _, d := range docs {
		inputs = append(inputs, d[:len(d)-1])
		labels = append(labels, d[1:]...)
	}
	b := sequences(inputs...)
	share := make([]float32, len(labels))
	for i := range share {
		share[i] = 1 / float32(len(labels))
	}
	return Examples{IDs: b.IDs, Pos: b.Pos, Cu: b.Cu, Labels: tensor.FromI32(labels, len(labels)), GradLoss: tensor.FromF32(share, len(share))}
}

func mean(x []float32) (m float64) {
	for _, v := range x {
		m += float64(v)
	}
	return m / float64(len(x))
}

func TestStoriesLogits(t *testing.T) {
	c, w := stories(t)
	m, err := New(simd.Default(), c, w)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range readGolden(t).Prompts {
		want := npy(t, read(t, "golden-pytorch/"+p.Logits))
		logits := tensor.New(dtype.F32, len(p.IDs), c.VocabSize)
		m.Logits(logits, m.Forward(sequences(p.IDs)))
		if d := distance(logits.F32(), want); !(d <= 1e-4) {
			t.Errorf("%s: logits differ by %.2g from PyTorch's", p.Logits, d)
		}
	}
}

// distance is the largest difference of two equally long slices, NaN if any is.
func distance(a, b []float32) (most float64) {
	if len(a) != len(b) {
		return math.NaN()
	}
	for i := range a {
		d := math.Abs(float64(a[i]) - float64(b[i]))
		if d != d {
			return d
		}
		most = max(most, d)
	}
	return most
}

// storyIDs encodes the 60 texts, each cut to 513 ids.
func storyIDs(t testing.TB, c Config) (docs [][]int32) {
	t.Helper()
	tok, err := token.Load(shared(t, "weights/stories260K/gguf/stories260K-f32.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	if err := json.Unmarshal(read(t, "golden-pytorch/texts.json"), &texts); err != nil {
		t.Fatal(err)
	}
	for _, text := range texts {
		ids := []int32{1}
		for _, id := range encode(t, tok, text) {
			ids = append(ids, int32(id))
		}
		docs = append(docs, ids[:min(len(ids), c.MaxSeqLen+1)])
	}
	return docs
}

func encode(t testing.TB, tok *token.Tokenizer, text string) []uint32 {
	t.Helper()
	ids, err := tok.Encode(text, token.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func TestStoriesPerplexity(t *testing.T) {
	c, w := stories(t)
	g := readGolden(t)
	docs := storyIDs(t, c)
	tokens := 0
	for _, d := range docs {
		tokens += len(d) - 1
	}
	if tokens != g.Corpus.Tokens {
		t.Fatalf("%d tokens, the golden file has %d: the texts are encoded otherwise", tokens, g.Corpus.Tokens)
	}
	for _, o := range []struct {
		compute dtype.Type
		bound   float64
	}{{dtype.F32, 1e-3}, {dtype.BF16, 2e-2}} {
		train, err := NewTrainer(simd.Default(), c, w, TrainOptions{Compute: o.compute, Recompute: RecomputeFull, MaxTokens: tokens})
		if err != nil {
			t.Fatal(err)
		}
		ppl := math.Exp(mean(train.Evaluate(examples(docs...)).Loss.F32()))
		if math.Abs(ppl-g.Corpus.PPL) > o.bound {
			t.Errorf("%v: perplexity %.6f, want %.6f ± %g", o.compute, ppl, g.Corpus.PPL, o.bound)
		}
	}
}

// llamaNames maps the roles of layer weights to llama2.c's names in grads.npz, with the rows of fused matrices.
func goldenGrads(t *testing.T, c Config, g *Weights) map[string]tensor.Tensor {
	q, kv, f := c.NumHeads*c.HeadDim, c.NumKVHeads*c.HeadDim, c.IntermediateSize
	all := map[string]tensor.Tensor{"tok_embeddings.weight": g.Embed, "norm.weight": g.Norm}
	for i, l := range g.Layers {
		name := "layers." + string(rune('0'+i)) + "."
		qkv, gateUp := l.QKV.Parts[0], l.GateUp.Parts[0]
		all[name+"attention.wq.weight"] = qkv.Slice(0, 0, q)
		all[name+"attention.wk.weight"] = qkv.Slice(0, q, q+kv)
		all[name+"attention.wv.weight"] = qkv.Slice(0, q+kv, q+2*kv)
		all[name+"attention.wo.weight"] = l.Out.Parts[0]
		all[name+"feed_forward.w1.weight"] = gateUp.Slice(0, 0, f)
		all[name+"feed_forward.w3.weight"] = gateUp.Slice(0, f, 2*f)
		all[name+"feed_forward.w2.weight"] = l.Down.Parts[0]
		all[name+"attention_norm.weight"], all[name+"ffn_norm.weight"] = l.AttnNorm, l.MLPNorm
	}
	return all
}

// TestStoriesGradients compares every gradient tensor with PyTorch's, for every choice of what is computed again.
func TestStoriesGradients(t *testing.T) {
	c, w := stories(t)
	g := readGolden(t)
	archive := read(t, "golden-pytorch/grads.npz")
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []struct {
		compute   dtype.Type
		recompute Recompute
		bound     float64
	}{{dtype.F32, RecomputeNone, 1e-3}, {dtype.F32, RecomputeSelective, 1e-3}, {dtype.F32, RecomputeFull, 1e-3}, {dtype.BF16, RecomputeNone, 0.12}} {
		train, err := NewTrainer(simd.Default(), c, w, TrainOptions{o.compute, o.recompute, len(g.Grad.IDs)})
		if err != nil {
			t.Fatal(err)
		}
		loss := mean(train.Step(examples(g.Grad.IDs)).Loss.F32())
		if o.compute == dtype.F32 && math.Abs(loss-g.Grad.Loss) > 1e-5 {
			t.Errorf("loss %.8f, want %.8f", loss, g.Grad.Loss)
		}
		ours := goldenGrads(t, c, train.Grads())
		if len(z.File) != len(ours) {
			t.Fatalf("grads.npz has %d tensors, the model %d", len(z.File), len(ours))
		}
		for _, f := range z.File {
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			name := strings.TrimSuffix(f.Name, ".npy")
			if e := relative(ours[name].Floats(), npy(t, data)); !(e <= o.bound) {
				t.Errorf("%v, recompute %d: gradient of %s off by %.2g of its length", o.compute, o.recompute, name, e)
			}
		}
	}
}

// relative is |a−b| / |b|, lengths of vectors.
func relative(a, b []float32) float64 {
	if len(a) != len(b) {
		return math.NaN()
	}
	var d, n float64
	for i := range a {
		d += (float64(a[i]) - float64(b[i])) * (float64(a[i]) - float64(b[i]))
		n += float64(b[i]) * float64(b[i])
	}
	return math.Sqrt(d / n)
}

// TestStoriesAdamW repeats 20 steps of PyTorch's AdamW with clipping on one batch.
func TestStoriesAdamW(t *testing.T) {
	c, w := stories(t)
	g := readGolden(t)
	e := examples(g.AdamW.Rows...)
	for _, o := range []struct {
		compute          dtype.Type
		recompute        Recompute
		lossAt, normRate float64
	}{{dtype.F32, RecomputeSelective, 2e-4, 2e-3}, {dtype.BF16, RecomputeNone, 4e-2, 0.5}} {
		master := clone(t, c, w)
		train, err := NewTrainer(simd.Default(), c, master, TrainOptions{o.compute, o.recompute, e.IDs.Dim(0)})
		if err != nil {
			t.Fatal(err)
		}
		m, v := c.NewWeights(tensor.Heap, dtype.F32), c.NewWeights(tensor.Heap, dtype.F32)
		for step, want := range g.AdamW.Trace {
			train.ZeroGrads()
			loss := mean(train.Step(e).Loss.F32())
			norm := gradNorm(train)
			if math.Abs(loss-want.Loss) > o.lossAt {
				t.Errorf("%v, step %d: loss %.6f, want %.6f", o.compute, step, loss, want.Loss)
			}
			if math.Abs(norm/want.Norm-1) > o.normRate {
				t.Errorf("%v, step %d: gradient norm %.6f, want %.6f", o.compute, step, norm, want.Norm)
			}
			adamStep(train, m, v, step+1, g.AdamW.LR, min(1, 1/norm))
		}
	}
}

func clone(t testing.TB, c Config, w *Weights) *Weights {
	t.Helper()
	out, err := c.Fuse(simd.Default(), w, dtype.F32)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func gradNorm(train *Trainer) (n float64) {
	for _, g := range train.Grads().All() {
		for _, x := range g.F32() {
			n += float64(x) * float64(x)
		}
	}
	return math.Sqrt(n)
}

func adamStep(train *Trainer, m, v *Weights, step int, lr, scale float64) {
	moments := map[string][2]tensor.Tensor{}
	for name, x := range m.All() {
		moments[name] = [2]tensor.Tensor{*x}
	}
	for name, x := range v.All() {
		moments[name] = [2]tensor.Tensor{moments[name][0], *x}
	}
	for p := range train.Params() {
		a := tensor.AdamW{W: p.W, G: p.Grad, M: moments[p.Name][0], V: moments[p.Name][1], Out: p.Out, LR: float32(lr), Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, GradScale: float32(scale), Step: step}
		if p.Decay {
			a.WeightDecay = 0.1
		}
		train.b.AdamW(a)
	}
}

// TestStoriesGreedy continues "Once upon a time" over a paged cache and compares with what llama2.c prints, byte for byte.
func TestStoriesGreedy(t *testing.T) {
	c, w := stories(t)
	tok, err := token.Load(shared(t, "weights/stories260K/gguf/stories260K-f32.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	want := string(read(t, "expected_stdout_llama2c_test_t0_n200.txt"))
	m, err := New(simd.Default(), c, w)
	if err != nil {
		t.Fatal(err)
	}
	ids := append([]uint32{1}, encode(t, tok, "Once upon a time")...)
	cache := newCache(m, dtype.F32, 16, 16)
	logits := tensor.New(dtype.F32, 1, c.VocabSize)
	next := tensor.New(dtype.I32, 1)
	for at := 0; len(ids) < 201; {
		step := make([]int32, 0, len(ids))
		for _, id := range ids[at:] {
			step = append(step, int32(id))
		}
		h := m.Forward(cache.batch(step))
		at = len(ids)
		m.Logits(logits, h.Slice(0, h.Dim(0)-1, h.Dim(0)))
		m.b.Reduce(tensor.ArgMax, next, logits)
		ids = append(ids, uint32(next.I32()[0]))
	}
	got := tok.Decode(ids[1:])
	if strings.TrimSpace(got) != strings.TrimSpace(want) {
		t.Errorf("greedy text:\n%s\nwant:\n%s", got, want)
	}
}
