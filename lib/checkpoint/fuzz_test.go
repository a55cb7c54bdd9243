package checkpoint

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"quire/internal/gguf"
	"quire/lib/model"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

// tiny is the smallest model that has every part.
func tiny() (model.Config, *model.Weights) {
	c := small()["internlm2"]
	c.HiddenSize, c.IntermediateSize, c.NumLayers, c.NumHeads, c.NumKVHeads, c.HeadDim, c.VocabSize = 4, 4, 1, 2, 1, 2, 4
	return c, random(c, dtype.F16)
}

// fuzzFile gives a reader malformed files: an error of one line, or something whose every byte can be read.
func fuzzFile(f *testing.F, suffix string, seeds [][]byte, read func(path string) (tensors []Named, closer func() error, err error)) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "x"+suffix)
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		tensors, closer, err := read(path)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Fatalf("an error of several lines: %v", err)
			}
			return
		}
		sum := byte(0)
		for _, x := range tensors {
			for _, b := range x.Tensor.Bytes() {
				sum += b
			}
		}
		if err := closer(); err != nil {
			t.Fatal(err)
		}
		_ = sum
	})
}

// written is the content of a file that save makes.
func written(f *testing.F, save func(path string) error) []byte {
	f.Helper()
	path := filepath.Join(f.TempDir(), "seed")
	if err := save(path); err != nil {
		f.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	return data
}

func FuzzSafetensors(f *testing.F) {
	seeds := [][]byte{
		written(f, func(path string) error {
			return WriteSafetensors(path, map[string]string{"format": "pt"}, []Named{{"a", tensor.New(dtype.F32, 2, 3)}, {"b", tensor.New(dtype.I32, 0)}})
		}),
		safetensorsOf(`{"a":{"dtype":"F32","shape":[9223372036854775807,2],"data_offsets":[0,8]}}`, 8),
		safetensorsOf(`{"a":{"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]},"a":{}}`, 8),
	}
	fuzzFile(f, ".safetensors", seeds, func(path string) (list []Named, closer func() error, err error) {
		s, err := OpenSafetensors(path)
		if err != nil {
			return nil, nil, err
		}
		for _, name := range s.Names() {
			if x, err := s.Tensor(name); err == nil {
				list = append(list, Named{name, x})
			}
		}
		return list, s.Close, nil
	})
}

func safetensorsOf(header string, data int) []byte {
	return append(append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...), make([]byte, data)...)
}

func FuzzGGUF(f *testing.F) {
	c, w := tiny()
	seed := written(f, func(path string) error { return SaveGGUF(path, c, w, nil, nil) })
	fuzzFile(f, ".gguf", [][]byte{seed}, func(path string) ([]Named, func() error, error) {
		m, err := loadGGUF(path)
		if err != nil {
			return nil, nil, err
		}
		_, _ = m.Tokenizer()
		return m.Tensors(), m.Close, nil
	})
}

func FuzzBin(f *testing.F) {
	seed := make([]byte, 28+4*(4*4+2*4+2*16+2*8+3*16+4+2*2))
	for i, n := range []int32{4, 4, 1, 2, 1, 4, 2} {
		binary.LittleEndian.PutUint32(seed[4*i:], uint32(n))
	}
	head := binary.LittleEndian.AppendUint32(nil, llama2cMagic)
	head = append(binary.LittleEndian.AppendUint32(head, 1), seed[:28]...)
	v1 := append(append(head, 1), make([]byte, llama2cHeader-len(head)-1+4*(4*4+2*4+2*16+2*8+3*16+4))...)
	fuzzFile(f, ".bin", [][]byte{seed, v1}, func(path string) ([]Named, func() error, error) {
		m, err := loadBin(path)
		if err != nil {
			return nil, nil, err
		}
		_, _ = binVocabulary(seed, 8)
		return m.Tensors(), m.Close, nil
	})
}

func FuzzState(f *testing.F) {
	seed := written(f, func(path string) error {
		dir := filepath.Dir(path)
		if err := SaveState(dir, State{Step: 1, Document: []byte(`{"a":[1]}`), Tensors: []Named{{"w", tensor.FromF32([]float32{1}, 1)}}}, 0); err != nil {
			return err
		}
		return os.Rename(StatePath(dir, 1), path)
	})
	fuzzFile(f, ".safetensors", [][]byte{seed}, func(path string) ([]Named, func() error, error) {
		s, err := LoadState(path)
		return s.Tensors, s.Close, err
	})
}

// FuzzFolder gives the two documents of a folder that say where the tensors are and how they are packed.
func FuzzFolder(f *testing.F) {
	c, w := tiny()
	dir := f.TempDir()
	if err := SaveHF(dir, c, w, SaveOptions{ShardBytes: 100}); err != nil {
		f.Fatal(err)
	}
	config, err := os.ReadFile(dir + "/config.json")
	if err != nil {
		f.Fatal(err)
	}
	index, err := os.ReadFile(filepath.Join(dir, indexFile))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(config, index)
	f.Add(append(config[:len(config)-2:len(config)-2], `,"quantization_config":{"quant_method":"awq","bits":4,"group_size":-1}}`...), index)
	f.Add(config, []byte(`{"weight_map":{"a":"../x.safetensors"}}`))
	f.Fuzz(func(t *testing.T, config, index []byte) {
		if err := os.WriteFile(dir+"/config.json", config, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, indexFile), index, 0o644); err != nil {
			t.Fatal(err)
		}
		m, err := Load(dir)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Fatalf("an error of several lines: %v", err)
			}
			return
		}
		m.Hash()
		m.Close()
	})
}

func TestMalformed(t *testing.T) {
	write := func(name string, data []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for want, data := range map[string][]byte{
		"5 bytes are no safetensors file":                                     []byte("12345"),
		"the header has 578437695752307201 bytes at byte 8, 2 follow":         []byte("\x01\x02\x03\x04\x05\x06\x07\x08{}"),
		`tensor "a" at byte 69: F32 [2 3] needs 24 bytes, the header gives 8`: safetensorsOf(`{"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,8]}}     `, 8),
		`data_offsets [0 16]: the file has 8 bytes of data`:                   safetensorsOf(`{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}`, 8),
		`[-1 -8] is no tensor`:                                                safetensorsOf(`{"a":{"dtype":"F32","shape":[-1,-8],"data_offsets":[0,8]}}`, 8),
		`want dtype, shape and data_offsets`:                                  safetensorsOf(`{"a":{"dtype":"F32","shape":"x","data_offsets":[0,8]}}`, 8),
		`duplicate`:                                                           safetensorsOf(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 8),
	} {
		if _, err := OpenSafetensors(write("x.safetensors", data)); err == nil || !contains(err, want) {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
	head := func(tensors ...gguf.Tensor) []byte {
		b, err := gguf.Append(nil, &gguf.Head{Meta: map[string]any{"general.architecture": "llama"}, Tensors: tensors})
		if err != nil {
			t.Fatal(err)
		}
		return append(b, make([]byte, 64)...)
	}
	for want, data := range map[string][]byte{
		"begin with GGUF": []byte("GGML0000000000000000000000000000"),
		`tensor "a" at byte 128: F32 [4 8] needs 128 bytes, the file ends at byte 192`:  head(gguf.Tensor{Name: "a", Dims: []int{8, 4}}),
		`tensor "a" at byte 128: Q4_0 [8] is no tensor`:                                 head(gguf.Tensor{Name: "a", Dims: []int{8}, Type: 2}),
		`tensor "a" at byte 128: Q3_K [256] needs 110 bytes, the file ends at byte 192`: head(gguf.Tensor{Name: "a", Dims: []int{256}, Type: 11}),
		`tensor "a" at byte 128: IQ4_XS [32] is no tensor`:                              head(gguf.Tensor{Name: "a", Dims: []int{32}, Type: 23}),
		`want a multiple of 32`:    head(gguf.Tensor{Name: "a", Dims: []int{8}, Offset: 8}),
		`tensor "a" appears twice`: head(gguf.Tensor{Name: "a", Dims: []int{8}}, gguf.Tensor{Name: "a", Dims: []int{8}}),
	} {
		if _, err := OpenGGUF(write("x.gguf", data)); err == nil || !contains(err, want) {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
	g, err := OpenGGUF(write("x.gguf", head(gguf.Tensor{Name: "a", Dims: []int{256}, Type: 16})))
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if _, err := g.Tensor("a"); err == nil || !contains(err, "IQ2_XXS [256] is not supported: quantise to Q8_0") {
		t.Errorf("IQ2_XXS: %v", err)
	}
	bin, err := os.ReadFile(stories(t, "checkpoint_legacy.bin"))
	if err != nil {
		t.Fatal(err)
	}
	for want, data := range map[string][]byte{
		`tensor "model.layers.4.mlp.up_proj.weight" at byte`: bin[:len(bin)-40000],
		`4 bytes behind the last tensor at byte 1056540`:     append(bin[:len(bin):len(bin)], 0, 0, 0, 0),
	} {
		if _, err := Load(write("x.bin", data)); err == nil || !contains(err, want) {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
}
