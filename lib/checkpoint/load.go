package checkpoint

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/zeebo/xxh3"

	"quire/lib/model"
	"quire/lib/token"
	"quire/simd/tensor"
)

// Model is a model as its files hold it: configuration and weights, mapped. Goroutines may share it; nobody writes to its weights.
type Model struct {
	Config  model.Config
	Weights *model.Weights
	Meta    map[string]any // the metadata of a GGUF file, nil for others

	tokenizer func() (*token.Tokenizer, error)
	close     func() error
	hash      sync.Once
	sum       string
}

// Load opens a model: a Hugging Face folder (config.json with safetensors: whole or in shards; plain, AWQ or GPTQ), a GGUF file, or a llama2.c
// .bin file. Files are told by their content. Weights are views of the mapped files until Close, except those whose layout had to change.
func Load(path string) (*Model, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	if info.IsDir() {
		return loadHF(path)
	}
	head, err := firstBytes(path, llama2cHeader)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	switch {
	case bytes.HasPrefix(head, []byte("GGUF")):
		return loadGGUF(path)
	case isBin(head):
		return loadBin(path)
	}
	return nil, fmt.Errorf("checkpoint: %s is no model: want a folder with config.json and .safetensors files, a GGUF file, or llama2.c's .bin", path)
}

// firstBytes reads at most n bytes.
func firstBytes(path string, n int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, int64(n)))
}

// Tokenizer reads the tokenizer that lies in the model's file or beside it.
func (m *Model) Tokenizer() (*token.Tokenizer, error) {
	if m.tokenizer == nil {
		return nil, errors.New("checkpoint: this model has no tokenizer")
	}
	return m.tokenizer()
}

// Hash names the content: configuration and weights as they are loaded, whatever file they come from. The first call reads all of it.
func (m *Model) Hash() string {
	m.hash.Do(func() {
		var tensors []Named
		for name, t := range m.Weights.All() {
			tensors = append(tensors, Named{name, *t})
		}
		sums := hashTensors(tensors)
		h := xxh3.New()
		h.Write(m.Config.JSON())
		for i, t := range tensors {
			fmt.Fprintf(h, "\n%s %v %s", t.Name, t.Tensor, sums[i])
		}
		m.sum = hexSum(h.Sum128())
	})
	return m.sum
}

// hashTensors hashes the bytes of contiguous tensors on all cores.
func hashTensors(tensors []Named) []string {
	sums := make([]string, len(tensors))
	_ = parallel(len(tensors), func(i int) error {
		sums[i] = hexSum(xxh3.Hash128(tensors[i].Tensor.Bytes()))
		return nil
	})
	return sums
}

func hexSum(sum xxh3.Uint128) string {
	b := binary.BigEndian.AppendUint64(nil, sum.Hi)
	return hex.EncodeToString(binary.BigEndian.AppendUint64(b, sum.Lo))
}

// Close unmaps the files; the weights are gone then.
func (m *Model) Close() error {
	if m.close == nil {
		return nil
	}
	return m.close()
}

// Tensors lists the weights under their names in model.Weights, for looking at.
func (m *Model) Tensors() []Named {
	var list []Named
	for name, t := range m.Weights.All() {
		list = append(list, Named{name, *t})
	}
	return list
}

// none is the zero Tensor with an error.
func none(err error) (tensor.Tensor, error) { return tensor.Tensor{}, err }
