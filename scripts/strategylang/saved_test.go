package strategylang

import (
	"strings"
	"testing"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// What is saved is what comes back.
func TestSaved(t *testing.T) {
	for _, text := range []string{
		`None`, `True`, `-5`, `123456789012345678901234567890`, `"a\nb"`, `[]`, `[1, ["main", "worker"], {"b": [], "a": None}]`,
	} {
		v, err := starlark.EvalOptions(&syntax.FileOptions{}, &starlark.Thread{}, "saved", text, nil)
		if err != nil {
			t.Fatal(err)
		}
		data, err := encode(v)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		back, err := decode(data)
		if err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		if same, err := starlark.Equal(v, back); !same || err != nil {
			t.Errorf("%s comes back as %v, %v", text, back, err)
		}
	}
}

func TestNotSaved(t *testing.T) {
	for _, text := range []string{`1.5`, `{1: 2}`, `len`} {
		v, err := starlark.EvalOptions(&syntax.FileOptions{}, &starlark.Thread{}, "saved", text, nil)
		if err != nil {
			t.Fatal(err)
		}
		if data, err := encode(v); err == nil {
			t.Errorf("%s is saved as %s", text, data)
		}
	}
	deep := starlark.NewList(nil)
	for range 150 {
		deep = starlark.NewList([]starlark.Value{deep})
	}
	if _, err := encode(deep); err == nil {
		t.Error("lists 150 deep are saved")
	}
	loop := starlark.NewList(nil)
	if err := loop.Append(loop); err != nil {
		t.Fatal(err)
	}
	if _, err := encode(loop); err == nil {
		t.Error("a list that holds itself is saved")
	}
	for _, data := range []string{"", "{", "1.5", "1 2", strings.Repeat("[", 150) + strings.Repeat("]", 150), strings.Repeat("9", 2000)} {
		if v, err := decode([]byte(data)); err == nil {
			t.Errorf("%q is read as %v", data, v)
		}
	}
}

func FuzzSaved(f *testing.F) {
	f.Add([]byte(`{"a": [1, "b", null, true]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := decode(data)
		if err != nil {
			return
		}
		again, err := encode(v)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := decode(again); err != nil || back.String() != v.String() {
			t.Fatalf("%q comes back as %v, %v", data, back, err)
		}
	})
}
