package pool

import (
	"errors"
	"sync"
	"testing"
)

// TestPool: no two users have the same one, and no more are made than there are users.
func TestPool(t *testing.T) {
	const users, rounds = 8, 2000
	var mu sync.Mutex
	made, freed := 0, map[int]bool{}
	p := &Pool[int]{
		Make: func() (int, error) { mu.Lock(); defer mu.Unlock(); made++; return made, nil },
		Free: func(n int) { freed[n] = true },
	}
	inUse := map[int]bool{}
	var wg sync.WaitGroup
	for range users {
		wg.Go(func() {
			for range rounds {
				n, err := p.Take()
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if inUse[n] {
					t.Errorf("%d is handed out twice", n)
				}
				inUse[n] = true
				mu.Unlock()
				mu.Lock()
				inUse[n] = false
				mu.Unlock()
				p.Put(n)
			}
		})
	}
	wg.Wait()
	p.Close()
	if made == 0 || made > users || len(freed) != made {
		t.Errorf("%d were made and %d freed", made, len(freed))
	}
}

// TestNone: what cannot be made is an error for who asks, and the next one may have more luck.
func TestNone(t *testing.T) {
	broken := errors.New("broken")
	fails := true
	freed := 0
	p := &Pool[string]{
		Make: func() (string, error) {
			if fails {
				return "", broken
			}
			return "one", nil
		},
		Free: func(string) { freed++ },
	}
	if _, err := p.Take(); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	fails = false
	s, err := p.Take()
	if err != nil || s != "one" {
		t.Fatal(s, err)
	}
	p.Close() // it is in use
	p.Put(s)
	if p.Close(); freed != 1 {
		t.Errorf("%d freed", freed)
	}
	if p.Close(); freed != 1 {
		t.Errorf("%d freed", freed)
	}
}
