package train

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"quire/lib/model"
)

// plain is Config without its methods, so that its JSON is that of its fields.
type plain Config

// configJSON is Config with the model as it stands in the file. The outer field hides the inner one.
type configJSON struct {
	*plain
	Model json.RawMessage `json:"model"`
}

// MarshalJSON writes the model as a Hugging Face config.json.
func (c Config) MarshalJSON() ([]byte, error) {
	p := plain(c)
	return json.Marshal(configJSON{&p, c.Model.JSON()})
}

// dial is the short form of a model.
type dial struct {
	Depth     int      `json:"depth"`
	Preset    string   `json:"preset"`
	VocabSize int      `json:"vocab_size"`
	SeqLen    int      `json:"max_position_embeddings"`
	BOS       []uint32 `json:"bos"`
	EOS       []uint32 `json:"eos"`
}

// ParseConfig reads a run's configuration from JSON. What it leaves out is as in [DefaultConfig]; what it misspells is an error.
func ParseConfig(data []byte) (Config, error) {
	var head struct {
		Model json.RawMessage `json:"model"`
		Steps int             `json:"steps"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return Config{}, configError(err)
	}
	m, err := parseModel(head.Model)
	if err != nil {
		return Config{}, err
	}
	c := DefaultConfig(m, max(1, head.Steps))
	p := plain(c)
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&configJSON{plain: &p}); err != nil {
		return Config{}, configError(err)
	}
	c = Config(p)
	c.Model = m
	return c, c.Validate()
}

// configError says which setting has a value of the wrong type, and what it wants, in the file's terms.
func configError(err error) error {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		return fmt.Errorf("train: configuration: %w", err)
	}
	_, field, wrapped := strings.Cut(wrong.Field, "plain.") // the type around the settings
	if !wrapped {
		field = strings.TrimPrefix(wrong.Field, ".")
	}
	want := "an object"
	switch wrong.Type.Kind() {
	case reflect.Int, reflect.Int64, reflect.Uint32, reflect.Uint64:
		want = "a whole number"
	case reflect.Float64:
		want = "a number"
	case reflect.String:
		want = "a text"
	case reflect.Slice:
		want = "a list"
	}
	return fmt.Errorf("train: configuration: %s at byte %d is a %s: want %s", field, wrong.Offset, wrong.Value, want)
}

// ReadConfig reads a configuration from a file. Paths in it that are relative are relative to the working directory, as on a command line.
func ReadConfig(path string) (Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("train: %w", err)
	}
	c, err := ParseConfig(data)
	if err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// parseModel reads a preset's name, the one-dial form, or a Hugging Face configuration.
func parseModel(data json.RawMessage) (model.Config, error) {
	var preset string
	if json.Unmarshal(data, &preset) == nil && len(data) > 0 {
		return model.Preset(preset)
	}
	var d dial
	if err := json.Unmarshal(data, &d); err != nil || len(data) == 0 {
		return model.Config{}, fmt.Errorf("train: configuration: model: want a preset's name, {\"depth\": 4, \"vocab_size\": 4096}, or a Hugging Face configuration: %w", err)
	}
	if d.Depth == 0 && d.Preset == "" {
		return model.ParseConfig(data)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		return model.Config{}, fmt.Errorf("train: configuration: model: %w: beside depth or preset want vocab_size, max_position_embeddings, bos and eos alone", err)
	}
	if d.Depth < 0 || d.Depth > 256 {
		return model.Config{}, fmt.Errorf("train: configuration: model: depth %d: want 1 to 256", d.Depth)
	}
	m, err := model.Preset(d.Preset)
	if d.Depth > 0 {
		m, err = model.Depth(d.Depth), nil
	}
	if d.VocabSize > 0 {
		m.VocabSize = d.VocabSize
	}
	if d.SeqLen > 0 {
		m.MaxSeqLen = d.SeqLen
	}
	if d.BOS != nil {
		m.BOS = d.BOS
	}
	if d.EOS != nil {
		m.EOS = d.EOS
	}
	return m, err
}

// writeConfig keeps the configuration in the run's directory.
func writeConfig(c Config) error {
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("train: %w", err)
	}
	if err := os.WriteFile(filepath.Join(c.Dir, "config.json"), append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	return nil
}
