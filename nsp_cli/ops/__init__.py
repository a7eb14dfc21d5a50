"""Operations on pictures, and calls about progress. They know no photo, file or network."""
