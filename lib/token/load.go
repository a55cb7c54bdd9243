package token

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxFile bounds a model file.
const maxFile = 1 << 30

// Load reads a tokenizer from a file or from the folder of a model. It knows SentencePiece models (.model),
// tokenizer.json, tiktoken rank files (.tiktoken, the pattern taken from the file's name), the vocabulary of a GGUF
// file, and folders that hold one of these or vocab.json with merges.txt.
func Load(path string) (*Tokenizer, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	if info.IsDir() {
		return loadDir(path)
	}
	t, err := loadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w (%s)", err, path)
	}
	return t, nil
}

func loadFile(path string) (*Tokenizer, error) {
	if isGGUF(path) {
		return loadGGUF(path)
	}
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	if name := filepath.Base(path); strings.HasSuffix(name, ".tiktoken") {
		e, err := NamedEncoding(strings.TrimSuffix(name, ".tiktoken"))
		if err != nil {
			return nil, err
		}
		return Ranks(data, e)
	}
	if bytes.HasPrefix(bytes.TrimSpace(data[:min(len(data), 64)]), []byte("{")) {
		return JSON(data)
	}
	return SentencePiece(data)
}

// isGGUF looks at the first bytes: such files are too large to read whole.
func isGGUF(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var magic [4]byte
	_, err = io.ReadFull(f, magic[:])
	return err == nil && string(magic[:]) == "GGUF"
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("token: %d bytes: want at most %d", info.Size(), maxFile)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	return data, nil
}

// loadDir looks for the files of a model's folder, the most complete form first.
func loadDir(dir string) (*Tokenizer, error) {
	has := func(name string) bool {
		_, err := os.Stat(filepath.Join(dir, name))
		return err == nil
	}
	for _, name := range []string{"tokenizer.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model"} {
		if has(name) {
			return Load(filepath.Join(dir, name))
		}
	}
	for _, pair := range [][2]string{{"vocab.json", "merges.txt"}, {"encoder.json", "vocab.bpe"}} {
		if has(pair[0]) && has(pair[1]) {
			return loadPair(dir, pair[0], pair[1])
		}
	}
	return nil, fmt.Errorf("token: %s holds no tokenizer.json, tokenizer.model or vocab.json with merges.txt", dir)
}

// loadPair reads a vocabulary and its merges, and tokenizer_config.json where there is one.
func loadPair(dir, vocab, merges string) (*Tokenizer, error) {
	v, err := readFile(filepath.Join(dir, vocab))
	if err != nil {
		return nil, err
	}
	m, err := readFile(filepath.Join(dir, merges))
	if err != nil {
		return nil, err
	}
	config, err := readFile(filepath.Join(dir, "tokenizer_config.json"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	t, err := GPT2(v, m, config)
	if err != nil {
		return nil, fmt.Errorf("%w (%s)", err, dir)
	}
	return t, nil
}
