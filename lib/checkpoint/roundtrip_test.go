package checkpoint

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"quire/lib/model"
	"quire/lib/token"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

var defaultTemplate = token.Options{Template: true}

func equalIDs(a, b []uint32) bool { return slices.Equal(a, b) }

// small are models of every family, with every flag that files know.
func small() map[string]model.Config {
	base := model.Config{Family: model.InternLM2, HiddenSize: 64, IntermediateSize: 96, NumLayers: 2, NumHeads: 4, NumKVHeads: 2, HeadDim: 16, VocabSize: 40, MaxSeqLen: 64,
		RMSNormEps: 1e-5, RopeTheta: 1e6, BOS: []uint32{1}, EOS: []uint32{2}}
	out := map[string]model.Config{"internlm2": base}
	c := base
	c.QKVBias, c.OutBias, c.RopeScaling = true, true, model.RopeScaling{Type: "dynamic", Factor: 2}
	out["internlm2 biases dynamic"] = c
	c = base
	c.Family, c.TieWordEmbeddings, c.RopeScaling = model.Llama, true, model.RopeScaling{Type: "linear", Factor: 4}
	out["llama tied linear"] = c
	c.QKVBias, c.OutBias, c.MLPBias, c.TieWordEmbeddings = true, true, true, false
	out["llama biases"] = c
	c.RopeTheta, c.RopeScaling = 5e5, model.RopeScaling{Type: "llama3", Factor: 8, LowFreqFactor: 1, HighFreqFactor: 4, OriginalMaxSeqLen: 8192}
	out["llama 3.1"] = c
	c = base
	c.Family, c.QKVBias, c.HeadDim = model.Qwen2, true, 32
	out["qwen2"] = c
	c = base
	c.Family, c.SlidingWindow = model.Mistral, 32
	out["mistral"] = c
	return out
}

// random are weights whose every tensor, biases and norms too, is told from every other.
func random(c model.Config, dt dtype.Type) *model.Weights {
	w := c.NewWeights(tensor.Heap, dt)
	w.Init(c, 7)
	n := 0
	for _, t := range w.All() {
		if t.Rank() == 1 {
			x := make([]float32, t.Len())
			for i := range x {
				n++
				x[i] = float32(n) / 64
			}
			t.SetFloats(x)
		}
	}
	return w
}

func TestRoundTrips(t *testing.T) {
	for name, c := range small() {
		for _, dt := range []dtype.Type{dtype.F32, dtype.BF16} {
			w := random(c, dt)
			check := func(how, path string, want model.Config, save error) {
				t.Helper()
				if save != nil {
					t.Errorf("%s, %s: %v", name, how, save)
					return
				}
				m := load(t, path)
				sameWeights(t, name+", "+how, m.Weights, w)
				if !bytes.Equal(m.Config.JSON(), want.JSON()) {
					t.Errorf("%s, %s: configuration %s\nwant %s", name, how, m.Config.JSON(), want.JSON())
				}
				if got := m.Weights.Layers[0].Down.Parts[0].DType(); got != dt {
					t.Errorf("%s, %s: %v weights, want %v", name, how, got, dt)
				}
			}
			dir := t.TempDir()
			check("folder", dir+"/hf", c, SaveHF(dir+"/hf", c, w, SaveOptions{}))
			check("shards", dir+"/shards", c, SaveHF(dir+"/shards", c, w, SaveOptions{ShardBytes: 20000}))
			if shards, _ := filepath.Glob(dir + "/shards/model-*.safetensors"); len(shards) < 3 {
				t.Errorf("%s: %d shards: want several", name, len(shards))
			}
			check("fewer shards", dir+"/shards", c, SaveHF(dir+"/shards", c, w, SaveOptions{}))
			check("GGUF", dir+"/x.gguf", c, SaveGGUF(dir+"/x.gguf", c, w, nil, nil))
			if c.Family == model.InternLM2 {
				llama := c
				llama.Family = model.Llama
				check("Llama's names", dir+"/llama", llama, SaveHF(dir+"/llama", c, w, SaveOptions{LlamaNames: true}))
			}
			if left, _ := filepath.Glob(dir + "/.*"); len(left) > 0 {
				t.Errorf("%s: files left behind: %v", name, left)
			}
		}
	}
}

// TestGroupedRows looks at InternLM2's wqkv itself: for each key-value head its query heads, its key, its value.
func TestGroupedRows(t *testing.T) {
	c := small()["internlm2"]
	w := random(c, dtype.F32)
	dir := t.TempDir()
	if err := SaveHF(dir, c, w, SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	files, err := OpenSafetensors(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	wqkv, err := files.Tensor("model.layers.1.attention.wqkv.weight")
	if err != nil {
		t.Fatal(err)
	}
	fused := w.Layers[1].QKV.Parts[0]
	const q, kv, d = 4, 2, 16
	for row, head := range []int{0, 1, q, q + kv, 2, 3, q + 1, q + kv + 1} {
		if !slices.Equal(wqkv.Slice(0, row*d, row*d+d).Floats(), fused.Slice(0, head*d, head*d+d).Floats()) {
			t.Errorf("head %d of wqkv is not head %d of query, key, value", row, head)
		}
	}
	for _, name := range []string{"model.tok_embeddings.weight", "model.layers.0.attention.wo.weight", "model.layers.0.feed_forward.w1.weight", "model.layers.0.feed_forward.w2.weight",
		"model.layers.0.feed_forward.w3.weight", "model.layers.0.attention_norm.weight", "model.layers.0.ffn_norm.weight", "model.norm.weight", "output.weight"} {
		if !files.Has(name) {
			t.Errorf("%s is missing in %v", name, files.Names())
		}
	}
}

// TestInterleavedRows holds the permutation against its definition: pair j of a head is rows 2j, 2j+1 in GGUF, j and j+D/2 here.
func TestInterleavedRows(t *testing.T) {
	c := small()["llama tied linear"]
	w := random(c, dtype.F32)
	path := filepath.Join(t.TempDir(), "x.gguf")
	if err := SaveGGUF(path, c, w, nil, nil); err != nil {
		t.Fatal(err)
	}
	g, err := OpenGGUF(path)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	k, err := g.Tensor("blk.0.attn_k.weight")
	if err != nil {
		t.Fatal(err)
	}
	const d, first = 16, 4 * 16 // keys follow the queries
	for head := range 2 {
		for j := range d / 2 {
			for half := range 2 {
				got, want := k.Index(head*d+2*j+half).Floats(), w.Layers[0].QKV.Parts[0].Index(first+head*d+j+half*d/2).Floats()
				if !slices.Equal(got, want) {
					t.Fatalf("row %d of head %d is not pair %d, half %d", 2*j+half, head, j, half)
				}
			}
		}
	}
}

func TestNormHeadIsFolded(t *testing.T) {
	c := small()["internlm2"]
	c.NormHead = true
	w := random(c, dtype.F32)
	dir := t.TempDir()
	if err := SaveHF(dir, c, w, SaveOptions{DType: dtype.F32}); err != nil {
		t.Fatal(err)
	}
	m := load(t, dir)
	if m.Config.NormHead {
		t.Error("norm_head is still set")
	}
	for i := range c.VocabSize {
		var sum float64
		for _, v := range m.Weights.Head.Index(i).Floats() {
			sum += float64(v) * float64(v)
		}
		if sum < 1-1e-5 || sum > 1+1e-5 {
			t.Fatalf("row %d of the head has length² %v, want 1", i, sum)
		}
	}
}

func TestEveryBlockFormatInGGUF(t *testing.T) {
	c := small()["internlm2"]
	c.HiddenSize, c.NumHeads, c.NumKVHeads, c.HeadDim, c.IntermediateSize = 256, 4, 2, 64, 512
	w := random(c, dtype.F32)
	for code, dt := range ggmlTypes {
		if !dt.IsFloat() && !dt.IsBlock() {
			continue
		}
		path := filepath.Join(t.TempDir(), "x.gguf")
		if err := SaveGGUF(path, c, w, nil, func(string) dtype.Type { return dt }); err != nil {
			t.Errorf("%v (%d): %v", dt, code, err)
			continue
		}
		m := load(t, path)
		if got := m.Weights.Layers[1].Down.Parts[0]; got.DType() != dt {
			t.Errorf("%v: read as %v", dt, got)
		}
		want := make([]byte, dt.Bytes(256*512))
		dtype.Quantize(want, dt, w.Layers[1].Down.Parts[0].Floats())
		if !bytes.Equal(m.Weights.Layers[1].Down.Parts[0].Bytes(), want) {
			t.Errorf("%v: other bytes than dtype.Quantize", dt)
		}
		deq := random(c, dtype.F32)
		key := deq.Layers[0].QKV.Parts[0].Slice(0, 256, 384)
		q := tensor.New(dt, 128, 256)
		q.SetFloats(key.Floats())
		if !slices.Equal(m.Weights.Layers[0].QKV.Parts[1].Floats(), q.Floats()) {
			t.Errorf("%v: key rows differ after the permutation", dt)
		}
	}
}

func TestRefusals(t *testing.T) {
	c := small()["internlm2"]
	w := random(c, dtype.F32)
	dir := t.TempDir()
	save := func(tensors []Named) string {
		sub, err := os.MkdirTemp(dir, "m")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(sub+"/config.json", c.JSON(), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := WriteSafetensors(sub+"/model.safetensors", nil, tensors); err != nil {
			t.Fatal(err)
		}
		return sub
	}
	if err := SaveHF(dir+"/ok", c, w, SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	files, err := OpenSafetensors(dir + "/ok")
	if err != nil {
		t.Fatal(err)
	}
	var all []Named
	for _, name := range files.Names() {
		x, err := files.Tensor(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, Named{name, x})
	}
	short := slices.Clone(all)
	short[0].Tensor = short[0].Tensor.Slice(0, 0, 39)
	for want, path := range map[string]string{
		`tensor "model.layers.1.feed_forward.w2.weight" is missing`:                                 save(slices.DeleteFunc(slices.Clone(all), func(n Named) bool { return n.Name == "model.layers.1.feed_forward.w2.weight" })),
		`tensor "extra.bias" is none that config.json speaks of`:                                    save(append(slices.Clone(all), Named{"extra.bias", w.Norm})),
		`tensor "model.embed_tokens.weight" is F32 [39 64]: the configuration wants floats [40 64]`: save(short),
		"a model's folder needs config.json":                                                        dir,
		"is no model: want a folder with config.json":                                               dir + "/ok/config.json",
		"no such file": dir + "/nothing",
	} {
		if _, err := Load(path); err == nil || !contains(err, want) {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
	q := tensor.New(dtype.Q8_0, 64, 64)
	w.Layers[0].Out.Parts[0] = q
	if err := SaveHF(dir+"/q", c, w, SaveOptions{}); err == nil || !contains(err, "set SaveOptions.DType") {
		t.Errorf("Q8_0 in safetensors: %v", err)
	}
}

func contains(err error, text string) bool {
	return bytes.Contains([]byte(fmt.Sprint(err)), []byte(text))
}
