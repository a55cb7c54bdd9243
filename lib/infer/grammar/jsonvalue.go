package grammar

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// value is a JSON value that remembers the order of an object's names and where it stands.
type value struct {
	kind  jsontext.Kind  // n t f " 0 { [
	text  string         // of a string, unescaped; of a number, as written
	names []string       // of an object
	items []*value       // of an array or object
	index map[string]int // of names, where there are many
	path  string         // a JSON pointer with # before it
}

// get returns a member, nil where there is none.
func (v *value) get(name string) *value {
	if v.kind != '{' {
		return nil
	}
	if v.index != nil {
		if i, ok := v.index[name]; ok {
			return v.items[i]
		}
		return nil
	}
	if i := slices.Index(v.names, name); i >= 0 {
		return v.items[i]
	}
	return nil
}

// manyNames have an index.
const manyNames = 16

func parseJSON(data []byte) (*value, error) {
	if len(data) > maxSource {
		return nil, fmt.Errorf("%d bytes: at most %d", len(data), maxSource)
	}
	d := jsontext.NewDecoder(bytes.NewReader(data))
	v, err := readValue(d, "#", 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return nil, errors.New("something follows the value")
	}
	return v, nil
}

func readValue(d *jsontext.Decoder, path string, depth int) (*value, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("it nests deeper than %d", maxDepth)
	}
	tok, err := d.ReadToken()
	if err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	v := &value{kind: tok.Kind(), path: path}
	switch v.kind {
	case '"', '0':
		v.text = tok.String()
	case '{':
		for d.PeekKind() != '}' {
			name, err := d.ReadToken()
			if err != nil {
				return nil, err
			}
			key := name.String()
			item, err := readValue(d, path+"/"+pointer.Replace(key), depth+1)
			if err != nil {
				return nil, err
			}
			v.names, v.items = append(v.names, key), append(v.items, item)
		}
		if len(v.names) > manyNames {
			v.index = make(map[string]int, len(v.names))
			for i, name := range v.names {
				v.index[name] = i
			}
		}
		_, err = d.ReadToken()
	case '[':
		for d.PeekKind() != ']' {
			item, err := readValue(d, fmt.Sprintf("%s/%d", path, len(v.items)), depth+1)
			if err != nil {
				return nil, err
			}
			v.items = append(v.items, item)
		}
		_, err = d.ReadToken()
	}
	return v, err
}

var (
	pointer   = strings.NewReplacer("~", "~0", "/", "~1")
	unpointer = strings.NewReplacer("~1", "/", "~0", "~")
)

// canonical is the one spelling that a value has in generated text. The error is of a number out of bounds.
func canonical(dst []byte, v *value) ([]byte, error) {
	switch v.kind {
	case 'n':
		return append(dst, "null"...), nil
	case 't':
		return append(dst, "true"...), nil
	case 'f':
		return append(dst, "false"...), nil
	case '"':
		return quote(dst, v.text), nil
	case '0':
		d, err := parseDecimal(v.text)
		return append(dst, d.String()...), err
	}
	var err error
	open, end := byte('['), byte(']')
	if v.kind == '{' {
		open, end = '{', '}'
	}
	dst = append(dst, open)
	for i, item := range v.items {
		if i > 0 {
			dst = append(dst, ',')
		}
		if v.kind == '{' {
			dst = append(quote(dst, v.names[i]), ':')
		}
		if dst, err = canonical(dst, item); err != nil {
			return nil, err
		}
	}
	return append(dst, end), nil
}

// quote appends a string in its one spelling.
func quote(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for _, r := range s {
		dst = append(dst, escape(r)...)
	}
	return append(dst, '"')
}

// escape is a character within a string: short escapes where JSON has them, \u00xx for other control characters, everything
// else as it is.
func escape(r rune) string {
	switch r {
	case '"':
		return `\"`
	case '\\':
		return `\\`
	case '\b':
		return `\b`
	case '\f':
		return `\f`
	case '\n':
		return `\n`
	case '\r':
		return `\r`
	case '\t':
		return `\t`
	}
	if r < ' ' {
		return fmt.Sprintf(`\u%04x`, r)
	}
	return string(r)
}

// stringChar is one character of ranges within a string.
func stringChar(b *builder, ranges []runeRange, next int32) int32 {
	var plain []runeRange
	var alts []int32
	for _, r := range ranges {
		from := r.lo
		for c := r.lo; c <= min(r.hi, '\\'); c++ {
			if c < ' ' || c == '"' || c == '\\' {
				if from < c {
					plain = append(plain, runeRange{from, c - 1})
				}
				alts = append(alts, b.lit(escape(c), next))
				from = c + 1
			}
		}
		if from <= r.hi {
			plain = append(plain, runeRange{from, r.hi})
		}
	}
	if len(plain) > 0 {
		alts = append(alts, b.class(plain, next))
	}
	return b.alt(alts...)
}
