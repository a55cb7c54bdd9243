package chat

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"quire/lib/token"
)

// Load reads a model's tokenizer and its chat template. model is what token.Load takes. template is the name of a built-in
// template, or a file that ends in .jinja; "" takes the one in the model's folder.
func Load(model, template string) (*Chat, error) {
	tok, err := token.Load(model)
	if err != nil {
		return nil, err
	}
	folder := model
	if info, err := os.Stat(model); err == nil && !info.IsDir() {
		folder = filepath.Dir(model)
	}
	var t *Template
	switch {
	case template == "":
		t, err = LoadTemplate(folder)
		if _, ok := tok.ID("<|plugin|>"); ok && errors.Is(err, errNoTemplate) {
			t, err = Builtin("internlm2") // its tokenizers are published as bare files too
		}
	case strings.HasSuffix(template, ".jinja"):
		t, err = readTemplate(template, folder)
	default:
		t, err = Builtin(template)
	}
	if err != nil {
		return nil, err
	}
	return New(tok, t)
}

var errNoTemplate = errors.New("no chat template here")

// LoadTemplate reads the chat template of a model's folder: chat_template.jinja, or chat_template in tokenizer_config.json, which
// also gives the special tokens; generation_config.json gives further stop tokens.
func LoadTemplate(folder string) (*Template, error) {
	path := filepath.Join(folder, "chat_template.jinja")
	if _, err := os.Stat(path); err == nil {
		return readTemplate(path, folder)
	}
	config, err := readConfig(folder)
	if err != nil {
		return nil, err
	}
	source, err := config.template()
	if err != nil {
		return nil, fmt.Errorf("chat: %s: %w", folder, err)
	}
	return Parse(filepath.Base(folder), source, config.special())
}

func readTemplate(path, folder string) (*Template, error) {
	source, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("chat: %w", err)
	}
	config, err := readConfig(folder)
	if err != nil {
		return nil, err
	}
	return Parse(filepath.Base(path), string(source), config.special())
}

// tokenizerConfig is what matters here of tokenizer_config.json and generation_config.json.
type tokenizerConfig struct {
	ChatTemplate jsontext.Value          `json:"chat_template"`
	BOS          specialToken            `json:"bos_token"`
	EOS          specialToken            `json:"eos_token"`
	Added        map[string]specialToken `json:"added_tokens_decoder"`
	Stop         jsontext.Value          `json:"-"`
}

// specialToken is a text, or an object whose content is one, or null.
type specialToken string

// UnmarshalJSON reads all three forms.
func (s *specialToken) UnmarshalJSON(data []byte) error {
	var o struct {
		Content string `json:"content"`
	}
	switch jsontext.Value(data).Kind() {
	case '"':
		return json.Unmarshal(data, (*string)(s))
	case '{':
		err := json.Unmarshal(data, &o)
		*s = specialToken(o.Content)
		return err
	}
	return nil
}

func readConfig(folder string) (*tokenizerConfig, error) {
	c := &tokenizerConfig{}
	var generation struct {
		EOS jsontext.Value `json:"eos_token_id"`
	}
	for name, v := range map[string]any{"tokenizer_config.json": c, "generation_config.json": &generation} {
		data, err := os.ReadFile(filepath.Join(folder, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = json.Unmarshal(data, v)
		}
		if err != nil {
			return nil, fmt.Errorf("chat: %s: %w", filepath.Join(folder, name), err)
		}
	}
	c.Stop = generation.EOS
	return c, nil
}

// template is the text under chat_template, which may be a list of named ones: then default counts.
func (c *tokenizerConfig) template() (string, error) {
	var source string
	var list []struct{ Name, Template string }
	switch c.ChatTemplate.Kind() {
	case '"':
		err := json.Unmarshal(c.ChatTemplate, &source)
		return source, err
	case '[':
		if err := json.Unmarshal(c.ChatTemplate, &list, json.MatchCaseInsensitiveNames(true)); err != nil {
			return "", err
		}
		for _, t := range list {
			if t.Name == "default" {
				return t.Template, nil
			}
		}
	}
	return "", fmt.Errorf("%w: name a built-in one (%s) or a .jinja file", errNoTemplate, strings.Join(Names(), ", "))
}

// special are the tokens by name; generation_config.json names further stop tokens by id.
func (c *tokenizerConfig) special() Special {
	s := Special{BOS: string(c.BOS), EOS: string(c.EOS)}
	var ids []int
	var id int
	if json.Unmarshal(c.Stop, &id) == nil {
		ids = []int{id}
	} else if json.Unmarshal(c.Stop, &ids) != nil {
		return s
	}
	for _, id := range ids {
		if t := string(c.Added[fmt.Sprint(id)]); t != "" && t != s.EOS {
			s.Stops = append(s.Stops, t)
		}
	}
	return s
}
