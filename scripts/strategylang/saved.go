package strategylang

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"

	"go.starlark.net/starlark"
)

// maxSaved bounds what a search can save, in bytes.
const maxSaved = 16 << 20

// encode writes a value that a search saves as JSON: texts, numbers, bools, None, and
// lists and dicts of these.
func encode(v starlark.Value) ([]byte, error) {
	left := maxSaved
	plain, err := toPlain(v, 0, &left)
	if err != nil {
		return nil, err
	}
	return json.Marshal(plain)
}

// maxNested is how deep lists and dicts can be in each other.
const maxNested = 100

func toPlain(v starlark.Value, depth int, left *int) (any, error) {
	if *left -= 8; depth > maxNested || *left < 0 {
		return nil, fmt.Errorf("more than %d bytes, or lists more than %d deep in each other", maxSaved, maxNested)
	}
	switch v := v.(type) {
	case starlark.NoneType:
		return nil, nil
	case starlark.Bool:
		return bool(v), nil
	case starlark.Int:
		return json.Number(v.String()), nil
	case starlark.String:
		*left -= len(v)
		return string(v), nil
	case *starlark.Dict:
		m := map[string]any{}
		for k, e := range v.Entries() {
			name, ok := starlark.AsString(k)
			if !ok {
				return nil, fmt.Errorf("the keys of a dict have to be texts, not %s", k.Type())
			}
			*left -= len(name)
			var err error
			if m[name], err = toPlain(e, depth+1, left); err != nil {
				return nil, err
			}
		}
		return m, nil
	case *starlark.List, starlark.Tuple:
		list := []any{}
		for e := range starlark.Elements(v.(starlark.Iterable)) {
			p, err := toPlain(e, depth+1, left)
			if err != nil {
				return nil, err
			}
			list = append(list, p)
		}
		return list, nil
	}
	return nil, fmt.Errorf("%s cannot be saved: only texts, numbers, bools, None, and lists and dicts of them", v.Type())
}

// CheckSaved finds what no search can have saved.
func CheckSaved(data []byte) error {
	_, err := decode(data)
	return err
}

// decode reads what encode has written, or what somebody else has.
func decode(data []byte) (starlark.Value, error) {
	if len(data) > maxSaved {
		return nil, fmt.Errorf("more than %d bytes", maxSaved)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var plain any
	if err := d.Decode(&plain); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, errors.New("text after the end")
	}
	return fromPlain(plain, 0)
}

func fromPlain(plain any, depth int) (starlark.Value, error) {
	if depth > maxNested {
		return nil, fmt.Errorf("lists more than %d deep in each other", maxNested)
	}
	switch p := plain.(type) {
	case nil:
		return starlark.None, nil
	case bool:
		return starlark.Bool(p), nil
	case string:
		return starlark.String(p), nil
	case json.Number:
		const digits = 1000
		n, ok := new(big.Int).SetString(p.String(), 10)
		if !ok || len(p) > digits {
			return nil, fmt.Errorf("%.20s is not a whole number", p)
		}
		return starlark.MakeBigInt(n), nil
	case []any:
		list := make([]starlark.Value, len(p))
		for i, e := range p {
			var err error
			if list[i], err = fromPlain(e, depth+1); err != nil {
				return nil, err
			}
		}
		return starlark.NewList(list), nil
	case map[string]any:
		d := starlark.NewDict(len(p))
		for _, name := range slices.Sorted(maps.Keys(p)) {
			v, err := fromPlain(p[name], depth+1)
			if err == nil {
				err = d.SetKey(starlark.String(name), v)
			}
			if err != nil {
				return nil, err
			}
		}
		return d, nil
	}
	return nil, fmt.Errorf("%T in JSON", plain)
}
