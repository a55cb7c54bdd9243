package checkpoint

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"quire/lib/model"
	"quire/simd"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

// stories finds the 260 thousand parameter model, beside or above the module, or skips.
func stories(t testing.TB, name string) string {
	t.Helper()
	for dir := "."; ; dir = filepath.Join("..", dir) {
		path := filepath.Join(dir, "shared", "data", "weights", "stories260K")
		if _, err := os.Stat(filepath.Join(path, name)); err == nil {
			return filepath.Join(path, name)
		}
		if abs, err := filepath.Abs(dir); err != nil || abs == filepath.Dir(abs) {
			t.Skipf("shared/data/weights/stories260K/%s is not here", name)
		}
	}
}

func load(t testing.TB, path string) *Model {
	t.Helper()
	m, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// sameWeights fails unless two models have the same numbers in the same roles.
func sameWeights(t *testing.T, what string, got, want *model.Weights) {
	t.Helper()
	rows := func(w *model.Weights) map[string][]float32 {
		out := map[string][]float32{"embed": w.Embed.Floats(), "norm": w.Norm.Floats(), "head": w.Head.Floats()}
		for i, l := range w.Layers {
			for name, parts := range map[string][]tensor.Tensor{"an": {l.AttnNorm}, "mn": {l.MLPNorm}, "qkv": l.QKV.Parts, "out": l.Out.Parts, "gu": l.GateUp.Parts, "down": l.Down.Parts,
				"qkvb": {l.QKV.Bias}, "outb": {l.Out.Bias}, "gub": {l.GateUp.Bias}, "downb": {l.Down.Bias}} {
				for _, p := range parts {
					if !p.IsZero() {
						key := name + string(rune('A'+i))
						out[key] = append(out[key], p.Floats()...)
					}
				}
			}
		}
		return out
	}
	g, w := rows(got), rows(want)
	if len(g) != len(w) {
		t.Errorf("%s: %d tensors, want %d", what, len(g), len(w))
	}
	for name, want := range w {
		got := g[name]
		if len(got) != len(want) {
			t.Errorf("%s: %s has %d numbers, want %d", what, name, len(got), len(want))
			continue
		}
		for i := range want {
			if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
				t.Errorf("%s: %s: number %d is %v, want %v", what, name, i, got[i], want[i])
				break
			}
		}
	}
}

func TestStoriesFilesAgree(t *testing.T) {
	legacy := load(t, stories(t, "checkpoint_legacy.bin"))
	v1 := load(t, stories(t, "checkpoint_v1.bin"))
	f32 := load(t, stories(t, "gguf/stories260K-f32.gguf"))
	sameWeights(t, "version 1", v1.Weights, legacy.Weights)
	sameWeights(t, "GGUF", f32.Weights, legacy.Weights)
	want := model.Config{Family: model.Llama, HiddenSize: 64, IntermediateSize: 172, NumLayers: 5, NumHeads: 8, NumKVHeads: 4, HeadDim: 8, VocabSize: 512, MaxSeqLen: 512,
		RMSNormEps: 1e-5, RopeTheta: 10000, TieWordEmbeddings: true, BOS: []uint32{1}, EOS: []uint32{2}}
	if !bytes.Equal(legacy.Config.JSON(), want.JSON()) || !bytes.Equal(v1.Config.JSON(), want.JSON()) {
		t.Errorf("configuration %s\nwant %s", legacy.Config.JSON(), want.JSON())
	}
	want.TieWordEmbeddings, want.MaxSeqLen = false, f32.Config.MaxSeqLen
	if want.Pad = f32.Config.Pad; !bytes.Equal(f32.Config.JSON(), want.JSON()) {
		t.Errorf("GGUF configuration %s\nwant %s", f32.Config.JSON(), want.JSON())
	}
	if legacy.Hash() != v1.Hash() || len(legacy.Hash()) != 32 || f32.Hash() == v1.Hash() {
		t.Errorf("hashes %s, %s, %s: want two equal", legacy.Hash(), v1.Hash(), f32.Hash())
	}
	for name, m := range map[string]*Model{"legacy": legacy, "GGUF": f32} {
		tok, err := m.Tokenizer()
		if err != nil {
			t.Fatal(err)
		}
		ids, err := tok.Encode("Once upon a time", defaultTemplate)
		if want := []uint32{1, 403, 407, 261, 378}; err != nil || !equalIDs(ids, want) {
			t.Errorf("%s: ids %v, want %v (%v)", name, ids, want, err)
		}
	}
}

// storiesGolden are the perplexities that an independent reader and PyTorch give for the files.
func storiesGolden(t *testing.T) (texts [][]uint32, ppl map[string]float64) {
	t.Helper()
	var reference struct {
		Results map[string]struct {
			PPL float64 `json:"ppl"`
		} `json:"results"`
	}
	readJSON(t, stories(t, "gguf/dequant_reference.json"), &reference)
	var lines []string
	readJSON(t, stories(t, "golden-pytorch/texts.json"), &lines)
	tok, err := load(t, stories(t, "checkpoint_legacy.bin")).Tokenizer()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		ids, err := tok.Encode(line, defaultTemplate)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, ids)
	}
	ppl = map[string]float64{}
	for name, r := range reference.Results {
		ppl[name] = r.PPL
	}
	return texts, ppl
}

func readJSON(t *testing.T, path string, v any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// perplexity runs dequantised weights in F32.
func perplexity(t *testing.T, m *Model, texts [][]uint32) float64 {
	t.Helper()
	b := simd.Default()
	w, err := m.Config.Fuse(b, m.Weights, dtype.F32)
	if err != nil {
		t.Fatal(err)
	}
	run, err := model.New(b, m.Config, w)
	if err != nil {
		t.Fatal(err)
	}
	run.SetMaxPositions(512) // the files say 128
	sum, n := 0.0, 0
	for _, text := range texts {
		text = text[:min(len(text), 513)] // the rule of the golden file
		ids, pos := make([]int32, len(text)-1), make([]int32, len(text)-1)
		for i := range ids {
			ids[i], pos[i] = int32(text[i]), int32(i)
		}
		logits := tensor.New(dtype.F32, len(ids), m.Config.VocabSize)
		run.Logits(logits, run.Forward(model.Batch{IDs: tensor.FromI32(ids, len(ids)), Pos: tensor.FromI32(pos, len(ids))}))
		lse := tensor.New(dtype.F32, len(ids))
		b.Reduce(tensor.LogSumExp, lse, logits)
		for i, total := range lse.F32() {
			sum += float64(total - logits.Index(i).F32()[text[i+1]])
			n++
		}
	}
	return math.Exp(sum / float64(n))
}

func TestStoriesPerplexities(t *testing.T) {
	texts, golden := storiesGolden(t)
	if len(golden) != 7 || len(texts) != 60 {
		t.Fatalf("%d formats, %d texts: want 7 and 60", len(golden), len(texts))
	}
	for name, want := range golden {
		m := load(t, stories(t, "gguf/stories260K-"+name+".gguf"))
		if got := perplexity(t, m, texts); math.Abs(got-want) > 1e-3 {
			t.Errorf("%s: perplexity %.6f, want %.6f", name, got, want)
		}
		if first := strings.ToUpper(name); name != "f32" && m.Weights.Layers[0].QKV.Parts[0].DType().String() != first {
			t.Errorf("%s: query rows are %v: want them as the file has them", name, m.Weights.Layers[0].QKV.Parts[0])
		}
	}
	if got := perplexity(t, load(t, stories(t, "checkpoint_v1.bin")), texts); math.Abs(got-4.145626) > 1e-4 {
		t.Errorf("checkpoint_v1.bin: perplexity %.6f, want 4.145626", got)
	}
}

// TestRequantize writes the F32 file in the types of the others: the bytes are llama.cpp's.
func TestRequantize(t *testing.T) {
	source := load(t, stories(t, "gguf/stories260K-f32.gguf"))
	tok, err := source.Tokenizer()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"F16", "Q8_0", "Q5_1", "Q5_0", "Q4_1", "Q4_0"} {
		want, err := OpenGGUF(stories(t, "gguf/stories260K-"+name+".gguf"))
		if err != nil {
			t.Fatal(err)
		}
		defer want.Close()
		types := func(name string) dtype.Type {
			x, err := want.Tensor(name)
			if err != nil {
				t.Error(err)
			}
			return x.DType()
		}
		path := filepath.Join(t.TempDir(), "out.gguf")
		if err := SaveGGUF(path, source.Config, source.Weights, tok, types); err != nil {
			t.Fatal(err)
		}
		got, err := OpenGGUF(path)
		if err != nil {
			t.Fatal(err)
		}
		defer got.Close()
		for _, tensorName := range want.Names() {
			a, err1 := got.Tensor(tensorName)
			b, err2 := want.Tensor(tensorName)
			if err1 != nil || err2 != nil || a.DType() != b.DType() || !bytes.Equal(a.Bytes(), b.Bytes()) {
				t.Errorf("%s: %s: %v, want %v (%v, %v)", name, tensorName, a, b, err1, err2)
			}
		}
		again, err := load(t, path).Tokenizer()
		if err != nil {
			t.Fatal(err)
		}
		text := "Lily's ball, 你好."
		a, _ := tok.Encode(text, defaultTemplate)
		if b, err := again.Encode(text, defaultTemplate); err != nil || !equalIDs(a, b) {
			t.Errorf("%s: the tokenizer gives %v, want %v (%v)", name, b, a, err)
		}
	}
}
