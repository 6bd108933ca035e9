package loop

import (
	"math"
	"testing"
)

func TestOwner(t *testing.T) {
	for n := 1; n <= 64; n++ {
		if first, last := Owner(n, 0), Owner(n, math.MaxUint64); first != 0 || last != n-1 {
			t.Errorf("%d loops: the hashes go from loop %d to loop %d", n, first, last)
		}
		counts := make([]int, n)
		before := 0
		for shard := range uint64(1024) {
			i := Owner(n, shard<<54)
			if i < before {
				t.Fatalf("%d loops: shard %d goes back to loop %d", n, shard, i)
			}
			before = i
			counts[i]++
		}
		for i, c := range counts {
			if c < 1024/n || c > 1024/n+1 {
				t.Errorf("%d loops: loop %d owns %d of 1,024 shards", n, i, c)
			}
		}
	}
}
