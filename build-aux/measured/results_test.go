package measured

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// TestResults: what is written is read again, and what is not of this program is an error.
func TestResults(t *testing.T) {
	type results struct {
		Name string         `json:"name"`
		Took map[string]int `json:"took"`
	}
	name := filepath.Join(t.TempDir(), "measured.json")
	if err := Read(name, &results{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	for _, n := range []int{1, 2} { // the second time there is a file
		if err := Write(name, results{"a", map[string]int{"b": n}}); err != nil {
			t.Fatal(err)
		}
		var got results
		if err := Read(name, &got); err != nil || got.Name != "a" || got.Took["b"] != n {
			t.Errorf("%+v, %v", got, err)
		}
	}
	for text, want := range map[string]string{`{"name":"a","speed":1}`: "unknown field", `{"name"`: "unexpected EOF", "": "EOF"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Read(name, &results{}); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), name) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if err := Write(filepath.Join(name, "x"), results{}); err == nil {
		t.Error("a file below a file can be written")
	}
}

// TestEach: everything is done once, no more at a time than there are jobs, and the first error
// ends it.
func TestEach(t *testing.T) {
	list := make([]int, 100)
	for i := range list {
		list[i] = i
	}
	for _, jobs := range []int{0, 1, 3} {
		var mu sync.Mutex
		var done []int
		var now, most atomic.Int32
		err := Each(context.Background(), jobs, list, func(_ context.Context, n int) error {
			at := now.Add(1)
			defer now.Add(-1)
			mu.Lock()
			defer mu.Unlock()
			most.Store(max(most.Load(), at))
			done = append(done, n)
			return nil
		})
		slices.Sort(done)
		if err != nil || !slices.Equal(done, list) || int(most.Load()) > max(jobs, 1) {
			t.Errorf("%d jobs: %v, %d at a time, %v", jobs, err, most.Load(), done)
		}
	}
	wrong := errors.New("wrong")
	var began atomic.Int32
	if err := Each(context.Background(), 2, list, func(ctx context.Context, n int) error {
		began.Add(1)
		if n == 5 {
			return wrong
		}
		if n > 5 {
			<-ctx.Done() // or it would be no end
		}
		return nil
	}); !errors.Is(err, wrong) || began.Load() > 8 {
		t.Errorf("%v after %d", err, began.Load())
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := Each(ctx, 2, list, func(context.Context, int) error { return wrong }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
